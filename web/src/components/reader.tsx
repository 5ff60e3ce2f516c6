import { useQuery } from "@tanstack/react-query";

import { meQuery } from "@/api/queries/session";
import { browserZone } from "@/lib/time";

/** The zone in which the reader is shown times: that of their profile, else of their browser. */
export function useReaderZone(): string {
  const { data: me } = useQuery(meQuery);
  return me?.timezone ?? browserZone();
}
