import { Page } from "@/components/ui/page";

import { NotificationPreferences } from "./NotificationPreferences";
import { Profile } from "./Profile";
import { SlackAccount } from "./SlackAccount";
import { Tokens } from "./Tokens";

export function SettingsPage() {
  return (
    <Page title="Settings" width="read">
      <div className="max-w-[42rem] space-y-12">
        <Profile />
        <NotificationPreferences />
        <SlackAccount />
        <Tokens />
      </div>
    </Page>
  );
}
