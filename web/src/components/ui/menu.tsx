import { cloneElement, lazy, Suspense, useState, type ReactElement, type ReactNode } from "react";

const load = () => import("./menu-popup");
const OpenMenu = lazy(() => load().then((module) => ({ default: module.OpenMenu })));

/** An action of a menu; `null` stands for a line between groups. */
export type MenuEntry = {
  label: string;
  icon?: ReactNode;
  onSelect?: () => void;
  /** An element to be instead of a plain item: a link. */
  render?: ReactElement;
  danger?: boolean;
  /** Why it cannot be chosen now. */
  disabledReason?: string | undefined;
} | null;

export interface MenuProps {
  /** The button that opens it. */
  trigger: ReactElement<MenuTriggerProps>;
  entries: MenuEntry[];
  /** What is said where there is no entry. */
  empty?: string;
}

interface MenuTriggerProps {
  "aria-haspopup"?: "menu";
  "aria-expanded"?: boolean;
  onClick?: () => void;
  onPointerEnter?: () => void;
  onFocus?: () => void;
}

/** A button that opens a list of actions. The list's code is fetched when the button is first approached. */
export function Menu(props: MenuProps) {
  const [isWanted, setWanted] = useState(false);
  const closed = cloneElement(props.trigger, {
    "aria-haspopup": "menu",
    "aria-expanded": false,
    onClick: () => setWanted(true),
    onPointerEnter: () => void load(),
    onFocus: () => void load(),
  });
  if (!isWanted) return closed;
  return (
    <Suspense fallback={closed}>
      <OpenMenu {...props} />
    </Suspense>
  );
}
