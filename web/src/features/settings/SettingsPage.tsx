import { useQuery } from "@tanstack/react-query";

import { meQuery } from "@/api/queries/session";
import { Page } from "@/components/ui/page";

import { AudiencePolicy } from "./AudiencePolicy";
import { MailDomains } from "./MailDomains";
import { NotificationPreferences } from "./NotificationPreferences";
import { Profile } from "./Profile";
import { SlackAccount } from "./SlackAccount";
import { Tokens } from "./Tokens";

export function SettingsPage() {
  const { data: me } = useQuery(meQuery);
  return (
    <Page title="Settings" width="read">
      <div className="max-w-[42rem] space-y-12">
        <Profile />
        <NotificationPreferences />
        <SlackAccount />
        <Tokens />
        {me?.role === "admin" ? <AudiencePolicy /> : null}
        {me?.role === "admin" ? <MailDomains /> : null}
      </div>
    </Page>
  );
}
