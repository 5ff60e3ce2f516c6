import { useState } from "react";

import { Button } from "@/components/ui/button";
import { sayError } from "@/components/ui/toast";

interface ChoicesProps {
  choices: string[];
  /** Asks one of them; absent where nothing can be asked now. */
  ask?: ((prompt: string) => Promise<void>) | undefined;
}

/** The ways to read a question that an answer asks back with. Choosing one asks it. */
export function Choices({ choices, ask }: ChoicesProps) {
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
          {ask ? (
            <Button
              className="h-auto! min-h-9 py-1.5 text-left whitespace-normal!"
              busy={asked !== undefined}
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
