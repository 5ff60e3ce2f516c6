import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import {
  BadgeCheck,
  Bell,
  CalendarClock,
  ChevronsUpDown,
  Coins,
  Database,
  Hash,
  LogOut,
  Mail,
  Menu as MenuIcon,
  MessageSquareText,
  Search,
  Settings,
} from "lucide-react";
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from "react";

import { newestNoticesQuery } from "@/api/queries/notices";
import { meQuery, signOut } from "@/api/queries/session";
import { iconButtonClass } from "@/components/ui/button";
import { Menu } from "@/components/ui/menu";
import { sayError } from "@/components/ui/toast";
import { Wordmark } from "@/components/wordmark";

const CommandPalette = lazy(() =>
  import("@/components/command-palette").then((module) => ({ default: module.CommandPalette })),
);

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);

interface Destination {
  to:
    "/tasks" | "/threads" | "/data" | "/verified" | "/outbox" | "/notices" | "/admin/slack" | "/credits" | "/settings";
  label: string;
  icon: ReactNode;
}

const DESTINATIONS: Destination[] = [
  { to: "/tasks", label: "Tasks", icon: <CalendarClock /> },
  { to: "/threads", label: "Threads", icon: <MessageSquareText /> },
  { to: "/data", label: "Data", icon: <Database /> },
  { to: "/verified", label: "Verified", icon: <BadgeCheck /> },
  { to: "/outbox", label: "Outbox", icon: <Mail /> },
  { to: "/notices", label: "Notices", icon: <Bell /> },
  { to: "/admin/slack", label: "Slack", icon: <Hash /> },
  { to: "/credits", label: "Credits", icon: <Coins /> },
  { to: "/settings", label: "Settings", icon: <Settings /> },
];

/** What surrounds every screen: where one can go, who one is, the command palette. */
export function AppShell() {
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const openPalette = () => setPaletteOpen(true);
  usePaletteShortcut(() => setPaletteOpen((isOpen) => !isOpen));
  const main = useRef<HTMLElement>(null);
  useFocusOnNavigation(main);

  return (
    <div className="flex min-h-dvh flex-col md:flex-row">
      <a
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
        className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2"
      >
        Skip to content
      </a>
      <SideBar onSearch={openPalette} />
      <TopBar onSearch={openPalette} />
      <main id="main" ref={main} tabIndex={-1} className="min-w-0 flex-1 outline-none">
        <Outlet />
      </main>
      {isPaletteOpen ? (
        <Suspense>
          <CommandPalette onClose={() => setPaletteOpen(false)} />
        </Suspense>
      ) : null}
    </div>
  );
}

function useDestinations(): Destination[] {
  const { data: me } = useQuery(meQuery);
  return DESTINATIONS.filter(({ to }) => {
    if (to === "/outbox") return me?.features.outbox;
    if (to === "/verified") return me?.role === "admin" || me?.role === "manager";
    if (to === "/admin/slack" || to === "/credits") return me?.role === "admin";
    return true;
  });
}

function Home() {
  return (
    <Link to="/tasks" className="rounded-sm">
      <Wordmark />
    </Link>
  );
}

function SideBar({ onSearch }: { onSearch: () => void }) {
  return (
    <header className="sticky top-0 hidden h-dvh w-54 shrink-0 flex-col border-r px-3 pt-5 pb-3 md:flex">
      <div className="px-2">
        <Home />
      </div>
      <button
        type="button"
        onClick={onSearch}
        className="mt-5 flex h-9 items-center gap-2.5 rounded-md border border-line-strong bg-raised px-2 text-ink-3 transition-colors hover:border-control"
      >
        <Search className="size-4" aria-hidden />
        <span className="flex-1 text-left">Search</span>
        <kbd className="font-sans text-xs">{isMac ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <nav aria-label="Main" className="mt-4 flex-1">
        <ul className="space-y-0.5">
          {useDestinations().map(({ to, label, icon }) => (
            <li key={to}>
              <Link
                to={to}
                className="flex h-9 items-center gap-2.5 rounded-md px-2 text-ink-2 transition-colors hover:bg-sunk hover:text-ink aria-[current=page]:bg-sunk aria-[current=page]:font-medium aria-[current=page]:text-ink [&_svg]:size-4 aria-[current=page]:[&_svg]:text-accent"
              >
                {icon}
                {label}
                {to === "/notices" ? <UnreadNotices /> : null}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <Account />
    </header>
  );
}

/** How many notices are unread, of the newest twenty. */
function UnreadNotices({ look = "end" }: { look?: "end" | "corner" }) {
  const { data } = useQuery(newestNoticesQuery);
  const unread = data?.values.filter(({ readAt }) => readAt === null).length ?? 0;
  if (unread === 0) return null;
  const number = unread === 20 ? "20+" : String(unread);
  const place = look === "corner" ? "absolute -top-0.5 -right-0.5" : "ml-auto";
  return (
    <span className={`tabular rounded-full bg-accent px-1.5 text-xs leading-4 font-medium text-on-accent ${place}`}>
      {number}
      <span className="sr-only"> unread</span>
    </span>
  );
}

function Account() {
  const { data: me } = useQuery(meQuery);
  const leave = useSignOut();
  return (
    <Menu
      trigger={
        <button
          type="button"
          className="flex items-center gap-2 rounded-md px-2 py-1.5 text-left transition-colors hover:bg-sunk data-popup-open:bg-sunk"
        >
          <span className="min-w-0 flex-1">
            <span className="block truncate font-medium">{me?.name}</span>
            <span className="block truncate text-sm text-ink-3">{me?.workspace.name}</span>
          </span>
          <ChevronsUpDown className="size-4 shrink-0 text-ink-3" aria-hidden />
        </button>
      }
      entries={[
        { label: "Settings", icon: <Settings />, render: <Link to="/settings" /> },
        null,
        { label: "Sign out", icon: <LogOut />, onSelect: leave },
      ]}
    />
  );
}

/** The same for narrow screens. */
function TopBar({ onSearch }: { onSearch: () => void }) {
  const leave = useSignOut();
  const destinations = useDestinations();
  return (
    <header className="sticky top-0 z-20 flex h-14 items-center justify-between border-b bg-paper px-4 md:hidden">
      <Home />
      <div className="flex items-center gap-1">
        <Link to="/notices" aria-label="Notices" className={iconButtonClass("relative")}>
          <Bell />
          <UnreadNotices look="corner" />
        </Link>
        <button type="button" aria-label="Search" onClick={onSearch} className={iconButtonClass()}>
          <Search />
        </button>
        <Menu
          trigger={
            <button type="button" aria-label="Menu" className={iconButtonClass()}>
              <MenuIcon />
            </button>
          }
          entries={[
            ...destinations.map(({ to, label, icon }) => ({ label, icon, render: <Link to={to} /> })),
            null,
            { label: "Sign out", icon: <LogOut />, onSelect: leave },
          ]}
        />
      </div>
    </header>
  );
}

function useSignOut(): () => void {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  return () => {
    signOut()
      .then(async () => {
        await navigate({ to: "/sign-in" });
        queryClient.clear();
      })
      .catch((error: unknown) => sayError("You are still signed in", error));
  };
}

function usePaletteShortcut(toggle: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey) || event.altKey || event.shiftKey)
        return;
      event.preventDefault();
      toggle();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  });
}

/** Moves the focus to the content when another screen opens, so that a screen reader starts there. */
function useFocusOnNavigation(main: React.RefObject<HTMLElement | null>): void {
  const pathname = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const previous = useRef(pathname);
  useEffect(() => {
    if (previous.current !== undefined && pathname !== previous.current) {
      // A screen that focuses something of its own is left alone.
      if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
    }
    previous.current = pathname;
  }, [pathname, main]);
}
