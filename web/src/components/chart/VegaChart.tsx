import { useEffect, useRef, useState } from "react";
import { parse, View, type LoggerInterface, type Spec } from "vega";
import { expressionInterpreter } from "vega-interpreter";

import { adapt } from "./spec";
import { Tip, type TipContent } from "./Tip";

interface VegaChartProps {
  vega: Spec;
  height: number;
  onFailure: (failure: unknown) => void;
}

/** Draws compiled Vega as SVG, as wide as its place, anew when that or the page's look changes. */
export function VegaChart({ vega, height, onFailure }: VegaChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const isDark = useIsDark();
  const [tip, setTip] = useState<TipContent | null>(null);

  useEffect(() => {
    const element = place.current;
    if (!element || width === 0) return;
    const stop = new AbortController();
    let view: View | null = null;
    const draw = async () => {
      // Labels are placed by the widths of this font.
      await document.fonts.load('11px "Inter Variable"').catch(() => []);
      stop.signal.throwIfAborted();
      const drawing = document.createElement("div");
      view = new View(parse(adapt(vega, height, { width, isDark }), undefined, { ast: true }), {
        expr: expressionInterpreter,
        loader: refusingLoader,
        logger: failingLogger(onFailure),
        renderer: "svg",
        container: drawing,
        hover: false,
        tooltip: (_handler, event, _item, value) => setTip(tipOf(event, value)),
      });
      await view.runAsync();
      stop.signal.throwIfAborted();
      drawing.querySelector("svg")?.setAttribute("aria-hidden", "true");
      element.replaceChildren(drawing);
    };
    draw().catch((failure: unknown) => {
      if (!stop.signal.aborted) onFailure(failure);
    });
    return () => {
      stop.abort();
      view?.finalize();
      setTip(null);
    };
  }, [vega, height, width, isDark, onFailure]);

  return (
    <>
      <div ref={place} className="contain-inline-size overflow-hidden [&_svg]:block" />
      <Tip tip={tip} />
    </>
  );
}

const refuse = () => Promise.reject(new Error("a chart loads nothing"));
const refusingLoader = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

/** Vega tells its logger alone when it fails, and shows an empty plot. */
function failingLogger(onFailure: (failure: unknown) => void): LoggerInterface {
  const logger: LoggerInterface = {
    level: (() => logger),
    error: (...words: readonly unknown[]) => {
      onFailure(words[0]);
      return logger;
    },
    warn: () => logger,
    info: () => logger,
    debug: () => logger,
  };
  return logger;
}

/** Vega gives an object of names and texts, or one text. */
function tipOf(event: MouseEvent, value: unknown): TipContent | null {
  if (value === null || value === undefined || value === "") return null;
  const entries: [string, unknown][] = typeof value === "object" ? Object.entries(value) : [["", value]];
  return { x: event.clientX, y: event.clientY, entries: entries.map(([name, text]) => [name, String(text)]) };
}

function useWidth(place: React.RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!place.current) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [place]);
  return width;
}

function useIsDark(): boolean {
  const [isDark, setIsDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setIsDark(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return isDark;
}
