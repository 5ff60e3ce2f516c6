import { useState } from "react";

import { Button } from "@/components/ui/button";
import { sayError } from "@/components/ui/toast";

interface ChoicesProps {
  choices: string[];
  /** Whether the reader is who was asked back. */
  isMine: boolean;
  /** Asks one of them; absent where nothing can be asked now. */
  ask?: ((prompt: string) => Promise<void>) | undefined;
}

/** The ways to read a question that an answer asks back with. Choosing one asks it. */
export function Choices({ choices, isMine, ask }: ChoicesProps) {
  const [asked, setAsked] = useState<string>();
  const choose = async (choice: string) => {
    if (!ask) return;
    setAsked(choice);
    try {
      await ask(choice);
    } catch (error) {
      sayError("It was not asked", error);
    } finally {
      setAsked(undefined);
    }
  };
  return (
    <ul aria-label="Choices" className="flex max-w-[68ch] flex-col items-start gap-2">
      {choices.map((choice) => (
        <li key={choice}>
          {isMine ? (
            <Button
              className="h-auto! min-h-9 py-1.5 text-left whitespace-normal!"
              busy={asked !== undefined}
              // It stays a button once it was asked, so that the keyboard's focus stays on it.
              disabledReason={ask ? undefined : "It was asked on since."}
              onClick={() => void choose(choice)}
            >
              {choice}
            </Button>
          ) : (
            <span className="text-ink-2">{choice}</span>
          )}
        </li>
      ))}
    </ul>
  );
}
