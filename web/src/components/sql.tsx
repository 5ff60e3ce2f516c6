import { CopyButton } from "@/components/ui/copy-button";
import { sqlTokens } from "@/lib/sql";

const LOOKS = {
  keyword: "font-semibold text-ink",
  string: "text-accent",
  comment: "text-ink-3 italic",
  plain: "",
} as const;

/** A query to read and to copy. */
export function Sql({ sql }: { sql: string }) {
  return (
    <div className="flex items-start rounded-md border bg-sunk">
      {/* It scrolls, so it must be reachable by keyboard. */}
      <pre
        tabIndex={0}
        role="group"
        aria-label="SQL"
        className="sql max-h-96 min-w-0 flex-1 overflow-auto px-3 py-2.5 break-words whitespace-pre-wrap text-ink-2"
      >
        {sqlTokens(sql.trim()).map(({ kind, text }, index) =>
          kind === "plain" ? (
            text
          ) : (
            <span key={index} className={LOOKS[kind]}>
              {text}
            </span>
          ),
        )}
      </pre>
      <div className="p-1">
        <CopyButton text={sql} label="Copy SQL" />
      </div>
    </div>
  );
}
