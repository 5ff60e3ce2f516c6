import { Combobox } from "@base-ui/react/combobox";
import { Check, ChevronsUpDown, X } from "lucide-react";

/** Something to choose. */
export interface Choice {
  id: string;
  label: string;
  /** Stands beside the label; searched as well. */
  detail?: string;
  /** What to know before choosing it, on a line of its own. */
  note?: string | undefined;
}

interface ControlProps {
  id?: string;
  "aria-invalid"?: boolean;
  "aria-describedby"?: string | undefined;
}

const ITEM =
  "grid cursor-default grid-cols-[1rem_1fr_auto] items-center gap-2 rounded-md px-2 py-1.5 outline-none select-none " +
  "data-highlighted:bg-pointed pointer-coarse:py-2.5";

function matches(choice: Choice, query: string): boolean {
  const words = query.trim().toLowerCase();
  return `${choice.label} ${choice.detail ?? ""}`.toLowerCase().includes(words);
}

function Options({ empty }: { empty: string }) {
  return (
    <Combobox.Portal>
      <Combobox.Positioner sideOffset={4} className="z-50 outline-none">
        <Combobox.Popup className="popup max-h-[min(20rem,var(--available-height))] w-(--anchor-width) max-w-(--available-width) overflow-y-auto overscroll-contain p-1">
          <Combobox.Empty>
            <p className="px-2 py-1.5 text-ink-2">{empty}</p>
          </Combobox.Empty>
          <Combobox.List className="outline-none">
            {(choice: Choice) => (
              <Combobox.Item key={choice.id} value={choice} className={ITEM}>
                <Combobox.ItemIndicator className="col-start-1 [&_svg]:size-4 [&_svg]:text-accent">
                  <Check />
                </Combobox.ItemIndicator>
                <span className="col-start-2 truncate">{choice.label}</span>
                <span className="tabular text-sm text-ink-3">{choice.detail}</span>
                {choice.note ? (
                  <span className="col-span-2 col-start-2 -mt-1.5 text-sm text-ink-3">{choice.note}</span>
                ) : null}
              </Combobox.Item>
            )}
          </Combobox.List>
        </Combobox.Popup>
      </Combobox.Positioner>
    </Combobox.Portal>
  );
}

interface PickOneProps extends ControlProps {
  choices: Choice[];
  value: string;
  onChange: (id: string) => void;
  placeholder?: string;
  empty: string;
}

/** One of many, found by typing. */
export function PickOne({ choices, value, onChange, placeholder, empty, ...control }: PickOneProps) {
  return (
    <Combobox.Root
      items={choices}
      value={choices.find(({ id }) => id === value) ?? null}
      onValueChange={(choice) => choice && onChange(choice.id)}
      itemToStringLabel={({ label }) => label}
      isItemEqualToValue={(a, b) => a.id === b.id}
      filter={matches}
      limit={200}
    >
      <Combobox.InputGroup className="relative">
        <Combobox.Input {...control} placeholder={placeholder} className="control pr-9!" />
        <Combobox.Trigger
          aria-label="Show all"
          tabIndex={-1}
          className="absolute inset-y-0 right-0 flex w-9 items-center justify-center text-ink-3 [&_svg]:size-4"
        >
          <ChevronsUpDown />
        </Combobox.Trigger>
      </Combobox.InputGroup>
      <Options empty={empty} />
    </Combobox.Root>
  );
}

interface PickManyProps extends ControlProps {
  choices: Choice[];
  value: string[];
  onChange: (ids: string[]) => void;
  placeholder: string;
  empty: string;
}

/** Any of many, found by typing; what is chosen stands in the field and can be taken out again. */
export function PickMany({ choices, value, onChange, placeholder, empty, ...control }: PickManyProps) {
  const chosen = value.map((id) => choices.find((choice) => choice.id === id) ?? { id, label: "Someone who left" });
  return (
    <Combobox.Root
      multiple
      items={choices}
      value={chosen}
      onValueChange={(picked) => onChange(picked.map(({ id }) => id))}
      itemToStringLabel={({ label }) => label}
      isItemEqualToValue={(a, b) => a.id === b.id}
      filter={matches}
      limit={200}
    >
      <Combobox.Chips className="control flex flex-wrap items-center gap-1 py-1! pl-1.5!">
        {chosen.map(({ id, label }) => (
          <Combobox.Chip
            key={id}
            aria-label={label}
            className="flex h-6.5 items-center rounded-sm bg-sunk pl-2 outline-offset-0 data-highlighted:bg-accent-soft pointer-coarse:h-9"
          >
            {label}
            <Combobox.ChipRemove
              aria-label={`Remove ${label}`}
              className="flex size-6 items-center justify-center rounded-sm text-ink-3 hover:text-ink [&_svg]:size-3.5"
            >
              <X />
            </Combobox.ChipRemove>
          </Combobox.Chip>
        ))}
        <Combobox.Input
          {...control}
          placeholder={chosen.length > 0 ? "" : placeholder}
          className="h-6.5 min-w-24 flex-1 bg-transparent px-1 outline-none placeholder:text-ink-3"
        />
      </Combobox.Chips>
      <Options empty={empty} />
    </Combobox.Root>
  );
}
