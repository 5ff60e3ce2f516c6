import { useQuery } from "@tanstack/react-query";
import { ArrowUp } from "lucide-react";
import { useState } from "react";

import { errorMessage } from "@/api/error";
import { connectionsQuery } from "@/api/queries/connections";
import { PromptEditor } from "@/components/prompt-editor/lazy";
import { Button } from "@/components/ui/button";
import { FieldError } from "@/components/ui/field";

interface AskBoxProps {
  label: string;
  placeholder: string;
  /** Sends the question; what was typed is kept when it fails. */
  ask: (prompt: string) => Promise<unknown>;
  /** Why nothing can be asked now. */
  disabledReason?: string | undefined;
  autoFocus?: boolean;
}

/** Where a question is typed. Enter sends it. */
export function AskBox({ label, placeholder, ask, disabledReason, autoFocus = false }: AskBoxProps) {
  const { data: connections, isPending } = useQuery(connectionsQuery);
  const [prompt, setPrompt] = useState("");
  const [sent, setSent] = useState(0);
  const [isSending, setSending] = useState(false);
  const [failure, setFailure] = useState<string>();
  const whyNot = disabledReason ?? (prompt.trim() === "" ? "Type a question first." : undefined);

  const send = async () => {
    if (whyNot !== undefined || isSending) return;
    setSending(true);
    setFailure(undefined);
    try {
      await ask(prompt.trim());
      setPrompt("");
      setSent((count) => count + 1);
    } catch (error) {
      setFailure(errorMessage(error));
    } finally {
      setSending(false);
    }
  };

  return (
    <div className="flex flex-col gap-1">
      {isPending ? (
        <div className="control h-[6.25rem]" aria-busy="true" />
      ) : (
        <PromptEditor
          key={sent}
          initial=""
          onChange={setPrompt}
          mentionables={(connections?.values ?? []).map(({ id, name }) => ({ kind: "connection", id, label: name }))}
          label={label}
          placeholder={placeholder}
          minHeight={3.75}
          autoFocus={autoFocus || sent > 0}
          onSubmit={() => void send()}
          submitOnEnter
        >
          <Button
            look="primary"
            className="h-8! px-2.5!"
            busy={isSending}
            disabledReason={whyNot}
            onClick={() => void send()}
          >
            <ArrowUp aria-hidden />
            Ask
          </Button>
        </PromptEditor>
      )}
      <FieldError message={failure} />
    </div>
  );
}
