import { useEffect, useRef, useState } from "react";

interface Tip {
  text: string;
  anchor: HTMLElement;
}

const DELAY_MS = 350;
const GAP = 6;

/**
 * Shows the `data-tip` of whatever is hovered or focused. One layer for the whole page: a tooltip of a library costs
 * more than the first screen's budget allows. Escape hides it, and it stays while it is hovered itself.
 */
export function TipLayer() {
  const [tip, setTip] = useState<Tip | null>(null);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (target: EventTarget | null, delay: number) => {
      clearTimeout(timer);
      if (!(target instanceof Element) || box.current?.contains(target)) return;
      const anchor = target.closest<HTMLElement>("[data-tip]");
      const text = anchor?.dataset.tip;
      if (!anchor || !text) {
        setTip(null);
        return;
      }
      timer = setTimeout(() => setTip({ text, anchor }), delay);
    };
    const hide = () => {
      clearTimeout(timer);
      setTip(null);
    };
    const onPointer = (event: PointerEvent) => {
      if (event.pointerType === "mouse") show(event.target, DELAY_MS);
    };
    const onFocus = (event: FocusEvent) => {
      if (event.target instanceof Element && event.target.matches(":focus-visible")) show(event.target, 0);
      else hide();
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") hide();
    };
    document.addEventListener("pointerover", onPointer);
    document.addEventListener("pointerdown", hide);
    document.addEventListener("focusin", onFocus);
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", onKey);
    return () => {
      clearTimeout(timer);
      document.removeEventListener("pointerover", onPointer);
      document.removeEventListener("pointerdown", hide);
      document.removeEventListener("focusin", onFocus);
      document.removeEventListener("focusout", hide);
      document.removeEventListener("keydown", onKey);
    };
  }, []);

  useEffect(() => {
    if (!tip || !box.current) return;
    const anchor = tip.anchor.getBoundingClientRect();
    const { width, height } = box.current.getBoundingClientRect();
    const left = Math.min(Math.max(anchor.left + (anchor.width - width) / 2, 8), window.innerWidth - width - 8);
    const isRoomAbove = anchor.top - height - GAP > 8;
    box.current.style.left = `${left}px`;
    box.current.style.top = `${isRoomAbove ? anchor.top - height - GAP : anchor.bottom + GAP}px`;
    box.current.style.visibility = "visible";
  }, [tip]);

  if (!tip) return null;
  return (
    // What it says is in the accessible name or description of its anchor.
    <div
      ref={box}
      key={tip.text}
      aria-hidden
      className="invisible fixed z-60 max-w-72 rounded-md bg-ink px-2 py-1 text-xs text-paper"
    >
      {tip.text}
    </div>
  );
}
