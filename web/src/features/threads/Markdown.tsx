import { useMemo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";

import { rehypeFigures } from "@/lib/figure";

import { FigureLink, type FigureProps } from "./FigureText";

const TAGS = [
  "p",
  "strong",
  "em",
  "del",
  "ul",
  "ol",
  "li",
  "blockquote",
  "code",
  "pre",
  "br",
  "hr",
  "h1",
  "h2",
  "h3",
  "h4",
  "h5",
  "h6",
  "table",
  "thead",
  "tbody",
  "tr",
  "th",
  "td",
  "a",
];

const SCHEMA = { ...defaultSchema, tagNames: TAGS, attributes: { th: ["align"], td: ["align"], a: [] } };

/**
 * An answer's body. Its text may stem from a database: no HTML, no pictures, and links only as the text that they show.
 */
export function Markdown({ text, ...figureProps }: FigureProps & { text: string }) {
  const { figures } = figureProps;
  const plugins = useMemo(() => [[rehypeSanitize, SCHEMA], rehypeFigures(figures)] as never[], [figures]);
  const components = {
    a: ({ children }) => <span>{children}</span>,
    h1: ({ children }) => <h3>{children}</h3>,
    h2: ({ children }) => <h3>{children}</h3>,
    h3: ({ children }) => <h3>{children}</h3>,
    // What may scroll must be reachable by keyboard.
    table: ({ children }) => (
      <div tabIndex={0} role="group" aria-label="Table" className="overflow-x-auto">
        <table>{children}</table>
      </div>
    ),
    pre: ({ children }) => (
      <pre tabIndex={0} role="group" aria-label="Preformatted text">
        {children}
      </pre>
    ),
    "figure-link": ({ id }: { id: string }) => {
      const figure = figures.find((one) => one.id === id);
      return figure ? <FigureLink figure={figure} {...figureProps} /> : null;
    },
  } as Components;
  return (
    <div className="prose">
      <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={plugins} components={components}>
        {text}
      </ReactMarkdown>
    </div>
  );
}
