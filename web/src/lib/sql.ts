/** SQL cut into what is shown differently. For the eye only: it knows words, not grammar. */

export interface SqlToken {
  kind: "keyword" | "string" | "comment" | "plain";
  text: string;
}

const KEYWORDS =
  "select|from|where|group|by|order|having|limit|offset|join|left|right|inner|outer|full|cross|on|using|as|and|or|not|in|is|null|like|ilike|between|case|when|then|else|end|with|union|all|distinct|asc|desc|nulls|first|last|over|partition|filter|interval|cast|exists|true|false|date_trunc|extract";

const TOKEN = new RegExp(`(--[^\\n]*|/\\*[\\s\\S]*?\\*/)|('(?:[^']|'')*')|\\b(${KEYWORDS})\\b`, "gi");

export function sqlTokens(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  let end = 0;
  for (const match of sql.matchAll(TOKEN)) {
    if (match.index > end) tokens.push({ kind: "plain", text: sql.slice(end, match.index) });
    const kind = match[1] ? "comment" : match[2] ? "string" : "keyword";
    tokens.push({ kind, text: match[0] });
    end = match.index + match[0].length;
  }
  if (end < sql.length) tokens.push({ kind: "plain", text: sql.slice(end) });
  return tokens;
}
