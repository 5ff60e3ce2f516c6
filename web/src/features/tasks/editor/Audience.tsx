import { useQueries, useQuery } from "@tanstack/react-query";

import { connectionsQuery, grantsQuery } from "@/api/queries/connections";
import { groupsQuery, peopleQuery } from "@/api/queries/people";
import type { Grant } from "@/api/types";
import { Skeleton } from "@/components/ui/skeleton";
import { joinWords } from "@/lib/schedule";

interface AudienceProps {
  /** The connections that the question mentions. */
  connectionIds: string[];
  userIds: string[];
  groupIds: string[];
  ownId: string;
}

/** Who will see what: everybody chosen gets the message; to open the thread behind it one needs the data as well. */
export function Audience({ connectionIds, userIds, groupIds, ownId }: AudienceProps) {
  const { data: people } = useQuery(peopleQuery);
  const { data: groups } = useQuery(groupsQuery);
  const { data: connections } = useQuery(connectionsQuery);
  const grants = useQueries({ queries: connectionIds.map(grantsQuery) });

  if (userIds.length + groupIds.length === 0) {
    return (
      <p className="text-ink-2">
        Nobody is told. The task runs all the same, and its answers wait for you under Threads.
      </p>
    );
  }
  if (!people || !groups || !connections || grants.some(({ isPending }) => isPending)) {
    return <Skeleton className="h-5 w-72" />;
  }

  const nameOf = (id: string) => connections.values.find((connection) => connection.id === id)?.name ?? "a connection";
  /** Connections of the question that someone has no grant on; `null` where the grants are not ours to see. */
  const lacking = (kind: "userId" | "groupId", id: string, isAdmin: boolean): string[] | null => {
    if (isAdmin) return [];
    if (grants.some(({ isError }) => isError)) return null;
    return connectionIds.filter((_, index) => !isGranted(grants[index]?.data?.values ?? [], kind, id)).map(nameOf);
  };

  const rows = [
    ...groupIds.map((id) => ({
      id,
      name: groups.values.find((group) => group.id === id)?.name ?? "A group",
      detail: "each member, as the group is when it is sent",
      lacks: lacking("groupId", id, false),
    })),
    ...userIds.map((id) => {
      const person = people.values.find((one) => one.id === id);
      const isAdmin = person?.role === "admin" || id === ownId;
      return { id, name: person?.name ?? "A member", detail: undefined, lacks: lacking("userId", id, isAdmin) };
    }),
  ];

  return (
    <table className="w-full text-left">
      <thead>
        <tr className="border-b">
          <th scope="col" className="eyebrow py-1.5 pr-4 font-medium">
            Who
          </th>
          <th scope="col" className="eyebrow py-1.5 pr-4 font-medium">
            The message
          </th>
          <th scope="col" className="eyebrow py-1.5 font-medium">
            The thread behind it
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ id, name, detail, lacks }) => (
          <tr key={id} className="border-b align-top">
            <td className="py-2 pr-4">
              {name}
              {detail ? <span className="block text-sm text-ink-3">{detail}</span> : null}
            </td>
            <td className="py-2 pr-4 text-ink-2">All of it</td>
            <td className="py-2 text-ink-2">
              <ThreadAccess lacks={lacks} hasData={connectionIds.length > 0} isOwn={id === ownId} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ThreadAccess({ lacks, hasData, isOwn }: { lacks: string[] | null; hasData: boolean; isOwn: boolean }) {
  if (isOwn) return "Yours";
  if (!hasData) return "When you share it and they may view the data it used";
  if (lacks === null) return "When you share it and they may view the data (whose grants you do not manage)";
  if (lacks.length === 0) return "When you share it";
  return <span className="text-warn">Not without access to {joinWords(lacks)}</span>;
}

function isGranted(grants: Grant[], kind: "userId" | "groupId", id: string): boolean {
  return grants.some(({ subject }) => subject.workspace || subject[kind] === id);
}
