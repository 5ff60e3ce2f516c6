import { useReaderZone } from "@/components/reader";
import { exactInstant, instantInWords, relativeInWords } from "@/lib/time";
import { useNow } from "@/lib/use-now";

interface TimeProps {
  at: string;
  /** The task's time zone, shown on hover beside the reader's. */
  zone?: string | undefined;
  /** `inline`: as `words`, in the middle of a sentence. */
  look?: "words" | "inline" | "relative";
}

/** An instant in the reader's zone; hovering says it exactly, in the reader's zone and in the task's. */
export function Time({ at, zone, look = "words" }: TimeProps) {
  const readerZone = useReaderZone();
  const now = useNow();
  const words = instantInWords(at, readerZone, now);
  const exact = exactInstant(at, readerZone);
  const elsewhere = zone && zone !== readerZone ? `\n${exactInstant(at, zone)} in ${zone.replaceAll("_", " ")}` : "";
  return (
    <time dateTime={at} title={exact + elsewhere} className="tabular whitespace-nowrap">
      {look === "relative" ? relativeInWords(at, now) : look === "inline" ? inSentence(words) : words}
    </time>
  );
}

/** `Today, 09:00` as `today, 09:00`; names of days and months stay. */
function inSentence(words: string): string {
  return words.replace(/^(Today|Tomorrow|Yesterday)/, (day) => day.toLowerCase());
}
