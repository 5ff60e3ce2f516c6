import { Link } from "@tanstack/react-router";
import {
  Bell,
  BellOff,
  Copy,
  EllipsisVertical,
  FlaskConical,
  Pause,
  Pencil,
  Play,
  Send,
  Trash2,
  Zap,
} from "lucide-react";

import type { Task } from "@/api/types";
import { iconButtonClass } from "@/components/ui/button";
import { useQuietTask } from "@/components/quiet-task";
import { Menu, type MenuEntry } from "@/components/ui/menu";

import { useTaskActions } from "./use-task-actions";

interface TaskMenuProps {
  task: Task;
  /** After the task was deleted. */
  onRemoved?: () => void;
}

export function TaskMenu({ task, onRemoved }: TaskMenuProps) {
  const actions = useTaskActions(task);
  const quiet = useQuietTask(task.id);
  const isCancelled = task.status === "cancelled";
  const pauseOrResume: MenuEntry[] = [];
  if (task.status === "active") {
    pauseOrResume.push({ label: "Pause", icon: <Pause />, onSelect: () => void actions.pause() });
  } else if (task.status === "paused") {
    pauseOrResume.push({ label: "Resume", icon: <Play />, onSelect: () => void actions.resume() });
  }
  const remove = () => {
    actions.remove();
    onRemoved?.();
  };
  const whyNot = isCancelled ? "This task was cancelled. Duplicate it to go on." : undefined;
  return (
    <Menu
      trigger={
        <button type="button" aria-label={`Actions for ${task.title}`} className={iconButtonClass()}>
          <EllipsisVertical />
        </button>
      }
      entries={[
        { label: "Run now", icon: <Zap />, onSelect: () => void actions.run(false), disabledReason: whyNot },
        { label: "Send a test to me", icon: <Send />, onSelect: () => void actions.run(true), disabledReason: whyNot },
        {
          label: "Backtest",
          icon: <FlaskConical />,
          render: <Link to="/tasks/$taskId/backtest" params={{ taskId: task.id }} />,
        },
        ...pauseOrResume,
        null,
        {
          label: "Edit",
          icon: <Pencil />,
          render: <Link to="/tasks/$taskId/edit" params={{ taskId: task.id }} />,
        },
        {
          label: quiet.isQuiet ? "Hear of it again" : "Mute for me",
          icon: quiet.isQuiet ? <Bell /> : <BellOff />,
          onSelect: () => void quiet.change(),
        },
        { label: "Duplicate", icon: <Copy />, onSelect: () => void actions.duplicate() },
        null,
        { label: "Delete", icon: <Trash2 />, danger: true, onSelect: remove },
      ]}
    />
  );
}
