import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";

import { meQuery } from "@/api/queries/session";
import { NotReached } from "@/components/not-reached";
import { Page, Section } from "@/components/ui/page";

import { AudiencePolicy } from "./AudiencePolicy";
import { MailDomains } from "./MailDomains";
import { NotificationPreferences } from "./NotificationPreferences";
import { Profile } from "./Profile";
import { SlackAccount } from "./SlackAccount";
import { Tokens } from "./Tokens";
import { WorkspaceSettings } from "./WorkspaceSettings";

export function SettingsPage() {
  const { data: me } = useQuery(meQuery);
  return (
    <Page title="Settings" width="read">
      <div className="max-w-[42rem] space-y-12">
        <Profile />
        <NotificationPreferences />
        <SlackAccount />
        <NotReached />
        <Tokens />
        {me?.role === "admin" ? <WorkspaceSettings /> : null}
        {me?.role === "admin" ? <AudiencePolicy /> : null}
        {me?.role === "admin" ? <MailDomains /> : null}
        <Workspace isAdmin={me?.role === "admin"} />
      </div>
    </Page>
  );
}

/** What has a screen of its own. */
function Workspace({ isAdmin }: { isAdmin: boolean }) {
  return (
    <Section title="Workspace">
      <ul>
        <li className="border-b py-2">
          <Link to="/credits" className="link font-medium">
            Credits
          </Link>
          <p className="text-sm text-ink-3">
            {isAdmin ? "What is left, who used how much, and granting more." : "What is left, and what you used."}
          </p>
        </li>
        {isAdmin ? (
          <>
            <li className="border-b py-2">
              <Link to="/admin/webhooks" className="link font-medium">
                Webhooks
              </Link>
              <p className="text-sm text-ink-3">Tell other systems of runs, deliveries and tasks.</p>
            </li>
            <li className="border-b py-2">
              <Link to="/admin/caps" className="link font-medium">
                Caps
              </Link>
              <p className="text-sm text-ink-3">The most that work may cost, for the workspace and for people.</p>
            </li>
            <li className="border-b py-2">
              <Link to="/admin/model" className="link font-medium">
                Model
              </Link>
              <p className="text-sm text-ink-3">See who answers questions, or bring a model of your own.</p>
            </li>
          </>
        ) : null}
      </ul>
    </Section>
  );
}
