import { Page } from "@/components/ui/page";

import { MailDomains } from "./MailDomains";
import { NotificationPreferences } from "./NotificationPreferences";
import { Profile } from "./Profile";
import { Tokens } from "./Tokens";

export function SettingsPage() {
  return (
    <Page title="Settings" width="read">
      <div className="max-w-[42rem] space-y-12">
        <Profile />
        <NotificationPreferences />
        <Tokens />
        <MailDomains />
      </div>
    </Page>
  );
}
