import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

import { meQuery } from "@/api/queries/session";
import type { CreditSummary, CreditTask } from "@/api/types";
import { amount, count } from "@/lib/number";

import { DayBars } from "./DayBars";

/** Where credits went: by day, by person and by task. */
export function Spending({ summary, namesPeople }: { summary: CreditSummary; namesPeople: boolean }) {
  const { credits, people, peopleCount, tasks, tasksCount } = summary;
  const { data: me } = useQuery(meQuery);
  if (tasks.length === 0) {
    return (
      <p className="max-w-[60ch] py-3 text-ink-2">
        Nothing in this time. The built-in analyst costs nothing; a language model costs what whoever runs the server
        set as its price.
      </p>
    );
  }
  return (
    <div className="space-y-8 pt-4">
      <div>
        <p>
          <span className="tabular font-semibold">{amount(credits)}</span> credits
        </p>
        <DayBars summary={summary} />
      </div>
      {namesPeople ? (
        <Table
          name="By person"
          first="Person"
          rest={peopleCount - people.length}
          lines={people.map(({ person, runs, credits: spent }) => ({
            id: person.id,
            label: person.name,
            runs,
            credits: spent,
          }))}
        />
      ) : null}
      <Table
        name="By task"
        first="Task"
        rest={tasksCount - tasks.length}
        lines={tasks.map((task) => ({
          id: `${task.taskId ?? "questions"} ${task.creator.id}`,
          label: <TaskName task={task} ownId={me?.id} />,
          runs: task.runs,
          credits: task.credits,
        }))}
      />
    </div>
  );
}

/** What a task is called, to whom it is: others learn whose it is, and no more. */
function TaskName({ task: { taskId, title, creator }, ownId }: { task: CreditTask; ownId: string | undefined }) {
  const isOwn = creator.id === ownId;
  if (taskId === null) return isOwn ? "Your questions" : `Questions of ${creator.name}`;
  if (title !== null) {
    return (
      <Link to="/tasks/$taskId" params={{ taskId }} className="link">
        {title}
      </Link>
    );
  }
  return isOwn ? "A task that you deleted" : `A task of ${creator.name}`;
}

interface Line {
  id: string;
  label: ReactNode;
  runs: number;
  credits: number;
}

interface TableProps {
  name: string;
  first: string;
  lines: Line[];
  /** How many more there are that are not shown. */
  rest: number;
}

const NUMBER = "tabular py-2 pl-4 text-right whitespace-nowrap";

function Table({ name, first, lines, rest }: TableProps) {
  return (
    <div>
      <table className="w-full border-t text-left">
        <caption className="pb-2 text-left text-sm font-semibold">{name}</caption>
        <thead>
          <tr className="eyebrow border-b">
            <th scope="col" className="py-2 font-medium">
              {first}
            </th>
            <th scope="col" className={`${NUMBER} font-medium`}>
              Runs
            </th>
            <th scope="col" className={`${NUMBER} font-medium`}>
              Credits
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map(({ id, label, runs, credits }) => (
            <tr key={id} className="border-b align-top">
              <td className="w-full max-w-0 py-2 break-words">{label}</td>
              <td className={NUMBER}>{count(runs)}</td>
              <td className={NUMBER}>{amount(credits)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rest > 0 ? (
        <p className="py-2 text-sm text-ink-3">
          The {lines.length} that used most. {count(rest)} more used less.
        </p>
      ) : null}
    </div>
  );
}
