import { Menu as BaseMenu } from "@base-ui/react/menu";

import type { MenuProps } from "@/components/ui/menu";

const ITEM =
  "flex w-full items-center gap-2.5 rounded-md px-2 py-1.5 text-base outline-none select-none cursor-default pointer-coarse:py-2.5 " +
  "data-highlighted:bg-pointed data-disabled:text-ink-3 [&_svg]:size-4";

/** A menu that opens as it appears; from then on its trigger opens it. */
export function OpenMenu({ trigger, entries, empty }: MenuProps) {
  return (
    <BaseMenu.Root defaultOpen>
      <BaseMenu.Trigger render={trigger} />
      <BaseMenu.Portal>
        <BaseMenu.Positioner align="end" sideOffset={4} collisionPadding={8} className="z-40">
          <BaseMenu.Popup className="popup min-w-44 p-1">
            {entries.map((entry, index) => {
              if (entry === null) return <BaseMenu.Separator key={index} className="mx-2 my-1 border-t" />;
              const { label, icon, onSelect, render, danger = false, disabledReason } = entry;
              return (
                <BaseMenu.Item
                  key={index}
                  className={`${ITEM} ${danger ? "text-bad" : "[&_svg]:text-ink-3"}`}
                  disabled={disabledReason !== undefined}
                  {...(onSelect ? { onClick: onSelect } : {})}
                  {...(render ? { render } : {})}
                >
                  {icon}
                  <span>
                    {label}
                    {disabledReason === undefined ? null : <span className="block text-xs">{disabledReason}</span>}
                  </span>
                </BaseMenu.Item>
              );
            })}
            {entries.length === 0 && empty ? <p className="px-2 py-1.5 text-ink-2">{empty}</p> : null}
          </BaseMenu.Popup>
        </BaseMenu.Positioner>
      </BaseMenu.Portal>
    </BaseMenu.Root>
  );
}
