import { createColumnHelper, rowSortingFeature, tableFeatures, useTable } from "@tanstack/react-table";
import { Link } from "@tanstack/react-router";
import { ArrowDown, ArrowUp, MessageSquareText, TriangleAlert } from "lucide-react";

import type { TaskFilter } from "@/api/queries/tasks";
import type { Task } from "@/api/types";
import { Time } from "@/components/time";
import { daysInWords, windowEnd } from "@/lib/schedule";
import { zoneCity } from "@/lib/zones";

import { LastRun, StatusMark } from "./run-words";
import { TaskMenu } from "./TaskMenu";

type Sort = TaskFilter["sort"];

const features = tableFeatures({ rowSortingFeature });
const helper = createColumnHelper<typeof features, Task>();

/** On narrow screens only the title and the menu are columns; what the others hold stands under the title. */
const WIDE = "hidden @3xl:table-cell";

const columns = helper.columns([
  helper.accessor("title", { header: "Task", cell: ({ row }) => <TitleCell task={row.original} /> }),
  helper.display({ id: "schedule", header: "Schedule", cell: ({ row }) => <ScheduleWords task={row.original} /> }),
  helper.accessor("status", {
    header: "Status",
    enableSorting: false,
    cell: ({ row }) => <StatusMark status={row.original.status} />,
  }),
  helper.display({ id: "lastRun", header: "Last run", cell: ({ row }) => <LastRun task={row.original} /> }),
  helper.accessor("nextRunAt", { header: "Next run", cell: ({ row }) => <NextRun task={row.original} /> }),
  helper.display({ id: "thread", header: "Thread", cell: ({ row }) => <LatestThread task={row.original} /> }),
  helper.display({ id: "menu", header: "Actions", cell: ({ row }) => <TaskMenu task={row.original} /> }),
]);

interface TasksTableProps {
  tasks: Task[];
  sort: Sort;
  onSort: (sort: Sort) => void;
}

export function TasksTable({ tasks, sort, onSort }: TasksTableProps) {
  const sorting = sort ? [{ id: sort.replace("-", ""), desc: sort.startsWith("-") }] : [];
  const table = useTable({
    features,
    columns,
    data: tasks,
    getRowId: (task) => task.id,
    manualSorting: true,
    sortDescFirst: false,
    state: { sorting },
    onSortingChange: (change) => {
      const [next] = typeof change === "function" ? change(sorting) : change;
      onSort(next && (`${next.desc ? "-" : ""}${next.id}` as Sort));
    },
  });

  return (
    <div className="@container">
      <table className="w-full border-t text-left">
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} className="border-b">
              {group.headers.map(({ column, id }, index) => {
                const isSorted = column.getIsSorted();
                const isLast = index === group.headers.length - 1;
                return (
                  <th
                    key={id}
                    scope="col"
                    aria-sort={isSorted ? (isSorted === "asc" ? "ascending" : "descending") : undefined}
                    className={`eyebrow h-9 pr-5 font-medium whitespace-nowrap last:w-10 last:pr-0 ${index > 0 && !isLast ? WIDE : ""}`}
                  >
                    {column.getCanSort() ? (
                      <button
                        type="button"
                        onClick={column.getToggleSortingHandler()}
                        className="-mx-1 flex h-7 items-center gap-1 rounded-sm px-1 hover:text-ink [&_svg]:size-3"
                      >
                        {String(column.columnDef.header)}
                        {isSorted === "asc" ? <ArrowUp aria-hidden /> : null}
                        {isSorted === "desc" ? <ArrowDown aria-hidden /> : null}
                      </button>
                    ) : (
                      <span className={isLast ? "sr-only" : ""}>{String(column.columnDef.header)}</span>
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} className="border-b hover:bg-sunk/60">
              {row.getAllCells().map((cell, index, cells) => (
                <td
                  key={cell.id}
                  className={`py-2.5 pr-5 align-top last:pr-0 ${index > 0 && index < cells.length - 1 ? WIDE : ""}`}
                >
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function TitleCell({ task }: { task: Task }) {
  return (
    <div className="max-w-[46ch] min-w-0">
      <Link
        to="/tasks/$taskId"
        params={{ taskId: task.id }}
        className="rounded-sm font-medium break-words hover:text-accent"
      >
        {task.title}
      </Link>
      {task.missingContext.length > 0 ? (
        <p className="flex items-center gap-1.5 text-sm text-bad">
          <TriangleAlert className="size-3.5" aria-hidden />
          Refers to deleted data: {task.missingContext.map(({ label }) => label).join(", ")}
        </p>
      ) : null}
      <div className="mt-1 space-y-1 text-sm text-ink-2 @3xl:hidden">
        <ScheduleWords task={task} />
        <div className="flex flex-wrap items-start gap-x-4 gap-y-1">
          <StatusMark status={task.status} />
          <LastRun task={task} />
        </div>
        {task.nextRunAt ? (
          <p>
            Next: <Time at={task.nextRunAt} zone={task.schedule.timezone} look="inline" />
          </p>
        ) : null}
        {task.latestThreadId ? <LatestThread task={task} /> : null}
      </div>
    </div>
  );
}

function ScheduleWords({ task: { schedule } }: { task: Task }) {
  return (
    <div className="min-w-0">
      {daysInWords(schedule)}
      <span className="tabular block text-sm whitespace-nowrap text-ink-3" title={schedule.timezone}>
        {schedule.windowStart} to {windowEnd(schedule.windowStart)}, {zoneCity(schedule.timezone)}
      </span>
    </div>
  );
}

function NextRun({ task: { nextRunAt, schedule } }: { task: Task }) {
  if (!nextRunAt) return <span className="text-ink-3">None</span>;
  return (
    <div>
      <Time at={nextRunAt} zone={schedule.timezone} />
      <span className="block text-sm text-ink-3">
        <Time at={nextRunAt} zone={schedule.timezone} look="relative" />
      </span>
    </div>
  );
}

function LatestThread({ task }: { task: Task }) {
  if (!task.latestThreadId) return <span className="text-ink-3">None</span>;
  return (
    <Link
      to="/threads/$threadId"
      params={{ threadId: task.latestThreadId }}
      aria-label={`Open the latest thread of ${task.title}`}
      className="link inline-flex items-center gap-1.5"
    >
      <MessageSquareText className="size-3.5" aria-hidden />
      Open
    </Link>
  );
}
