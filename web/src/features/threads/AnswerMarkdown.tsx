import { useMemo } from "react";
import type { Components } from "react-markdown";

import { Markdown } from "@/components/markdown";
import { rehypeFigures } from "@/lib/figure";

import { FigureLink, type FigureProps } from "./FigureText";

/** An answer's body, with figures that can be looked into. */
export function AnswerMarkdown({ text, ...figureProps }: FigureProps & { text: string }) {
  const { figures } = figureProps;
  const plugins = useMemo(() => [rehypeFigures(figures)], [figures]);
  const components = {
    "figure-link": ({ id }: { id: string }) => {
      const figure = figures.find((one) => one.id === id);
      return figure ? <FigureLink figure={figure} {...figureProps} /> : null;
    },
  } as Components;
  return <Markdown text={text} plugins={plugins} components={components} />;
}
