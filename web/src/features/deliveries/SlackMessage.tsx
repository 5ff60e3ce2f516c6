import type { ReactNode } from "react";

import { blocksOf, pieces, type SlackBlock } from "./slack-blocks";

/** What was posted to Slack, about as Slack shows it: one box for each message. Links are told, and lead nowhere. */
export function SlackMessage({ message }: { message: unknown }) {
  return (
    <div className="space-y-3 pt-3">
      {blocksOf(message).map((blocks, index) => (
        <div key={index} className="space-y-2 rounded-md border bg-raised p-3">
          {blocks.map((block, place) => (
            <Block key={place} block={block} />
          ))}
        </div>
      ))}
    </div>
  );
}

function Block({ block }: { block: SlackBlock }): ReactNode {
  switch (block.kind) {
    case "header":
      return <p className="text-lg font-semibold break-words">{block.text}</p>;
    case "text":
      return (
        <p className={`break-words whitespace-pre-wrap ${block.isSmall ? "text-sm text-ink-3" : ""}`}>
          <Marked text={block.text} />
        </p>
      );
    case "image":
      return <p className="rounded-sm bg-sunk px-2 py-6 text-center text-sm text-ink-2">Picture: {block.text}</p>;
    case "table":
      return (
        <div className="overflow-x-auto" tabIndex={0} role="group" aria-label="Table of the message">
          <table className="tabular text-left text-sm">
            <tbody>
              {block.rows.map((row, index) => (
                <tr key={index} className="border-b">
                  {row.map((cell, column) => (
                    <td key={column} className={`py-1 pr-4 ${index === 0 ? "font-medium" : ""}`}>
                      {cell}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case "buttons":
      return (
        <p className="flex flex-wrap gap-2">
          {block.labels.map((label, index) => (
            <span key={index} className="rounded-md border border-line-strong px-2 py-0.5 text-sm text-ink-2">
              {label}
            </span>
          ))}
        </p>
      );
  }
}

function Marked({ text }: { text: string }) {
  return pieces(text).map((piece, index) =>
    piece.isBold ? <strong key={index}>{piece.text}</strong> : <span key={index}>{piece.text}</span>,
  );
}
