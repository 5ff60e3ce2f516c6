import ReactMarkdown, { type Components } from "react-markdown";
import rehypeSanitize, { defaultSchema } from "rehype-sanitize";
import remarkGfm from "remark-gfm";

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

const COMPONENTS: Components = {
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
};

interface MarkdownProps {
  text: string;
  /** Rehype plugins that run after sanitising. */
  plugins?: unknown[];
  /** Components for the elements that those make. */
  components?: Components;
}

/**
 * The text of an answer. It may stem from a database: no HTML, no pictures, and links only as the text that they show.
 */
export function Markdown({ text, plugins = [], components }: MarkdownProps) {
  return (
    <div className="prose">
      <ReactMarkdown
        remarkPlugins={[remarkGfm]}
        rehypePlugins={[[rehypeSanitize, SCHEMA], ...plugins] as never[]}
        components={{ ...COMPONENTS, ...components }}
      >
        {text}
      </ReactMarkdown>
    </div>
  );
}
