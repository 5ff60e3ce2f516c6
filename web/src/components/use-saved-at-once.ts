import { useMutation, useQueryClient, type QueryKey } from "@tanstack/react-query";
import { useState } from "react";

import { sayError } from "@/components/ui/toast";

interface SavedAtOnce<T> {
  /** Of the query that holds what is saved. */
  queryKey: QueryKey;
  /** What the query holds now, if it has come. */
  data: T | undefined;
  /** Replaces it on the server and answers what holds since. Its request is `keepalive`: see {@link useSavedAtOnce}. */
  save: (value: T) => Promise<T>;
  /** What to tell of a refusal, such as "The policy was not changed". */
  refused: string;
  /** What else to fetch anew. */
  onSaved?: () => void;
}

/**
 * A value without a button to save it: a change is shown at once, is on its way behind, and is taken back, and told, where the server
 * refuses it. Changes of one value go out one after the other, for two at once could arrive in either order. The page may be left in the
 * same moment without losing what it shows, as long as the request is `keepalive`.
 */
export function useSavedAtOnce<T>({ queryKey, data, save, refused, onSaved }: SavedAtOnce<T>) {
  const queryClient = useQueryClient();
  const [changed, setChanged] = useState<{ to: T }>();
  const { mutate } = useMutation({
    scope: { id: JSON.stringify(queryKey) },
    mutationFn: save,
    onSuccess: async (saved) => {
      // What is being fetched may tell what was before.
      await queryClient.cancelQueries({ queryKey });
      queryClient.setQueryData(queryKey, saved);
      onSaved?.();
    },
    onError: (failure) => sayError(refused, failure),
  });
  const change = (to: T) => {
    // State of our own: the mutation tells of itself a moment later, in which a box that was ticked would stand unticked again.
    setChanged({ to });
    // Told of the latest change only.
    mutate(to, { onSettled: () => setChanged(undefined) });
  };
  return { shown: changed ? changed.to : data, change };
}
