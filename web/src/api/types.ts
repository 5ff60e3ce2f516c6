/** Short names for the shapes of the API, all from its OpenAPI document. */

import type { components } from "@/api/schema";

type Schemas = components["schemas"];

export type Answer = Schemas["Answer"];
export type AudiencePolicy = Schemas["AudiencePolicy"];
export type AudienceRecord = Schemas["AudienceRecord"];
export type BacktestReport = Schemas["BacktestReport"];
export type CapList = Schemas["CapList"];
export type CatalogTable = Schemas["CatalogTable"];
export type Cell = Schemas["Cell"];
export type CellRef = Schemas["CellRef"];
export type Check = Schemas["Check"];
export type Column = Schemas["Column"];
export type ColumnType = Schemas["ColumnType"];
export type Comparison = Schemas["Comparison"];
export type CompiledChart = Schemas["Chart"];
export type Condition = Schemas["Condition"];
export type ChannelAudience = Schemas["ChannelAudience"];
export type ConnectionAudience = Schemas["ConnectionAudience"];
export type ConnectionBody = Schemas["DataConnectionRequest"];
export type ConnectionChanges = Schemas["DataConnectionPatch"];
export type ConnectionTest = Schemas["TestOutcome"];
export type ConnectionTestBody = Schemas["DataConnectionTest"];
export type CreditBalance = Schemas["CreditBalance"];
export type CreditDay = Schemas["CreditDay"];
export type CreditSummary = Schemas["CreditSummary"];
export type CreditTask = Schemas["CreditTask"];
export type DataConnection = Schemas["DataConnection"];
export type CreditCaps = Schemas["CreditCaps"];
export type Delivery = Schemas["Delivery"];
export type DeliveryCounts = Schemas["DeliveryCounts"];
export type DeliveryAttempt = Schemas["DeliveryAttempt"];
export type DeliveryProof = Schemas["DeliveryProof"];
export type DeliveryState = Schemas["DeliveryState"];
export type Destination = Schemas["Destination"];
export type Direction = Schemas["Direction"];
export type Feedback = Schemas["ReceivedFeedback"];
export type FeedbackBody = Schemas["FeedbackRequest"];
export type Figure = Schemas["Figure"];
export type FreshnessCheck = Schemas["FreshnessCheck"];
export type FreshnessGate = Schemas["FreshnessGate"];
export type FreshnessLook = Schemas["FreshnessLook"];
export type Grant = Schemas["Grant"];
export type Group = Schemas["Group"];
export type GroupAudience = Schemas["GroupAudience"];
export type Me = Schemas["Me"];
export type NoticeToPerson = Schemas["Notice"];
export type Notification = Schemas["Notification"];
export type MailSettings = Schemas["MailSettings"];
export type ModelBody = Schemas["ModelRequest"];
export type ModelSettings = Schemas["ModelSettings"];
export type ModelTestOutcome = Schemas["ModelTestOutcome"];
export type NotificationPreferences = Schemas["NotificationPreferences"];
export type Occurrence = Schemas["Occurrence"];
export type OutboxMail = Schemas["MailSummary"];
export type OutboxMailDetail = Schemas["Mail"];
export type OwnFeedback = Schemas["Feedback"];
export type Person = Schemas["User"];
export type MemberReach = Schemas["MemberReach"];
export type PersonAudience = Schemas["PersonAudience"];
export type ResultPage = Schemas["ResultPage"];
export type Run = Schemas["Run"];
export type Schedule = Schemas["ScheduleSpec"];
export type Sharing = Schemas["Sharing"];
export type SharingBody = Schemas["SharingRequest"];
export type SlackAccount = Schemas["SlackAccount"];
export type SlackChannel = Schemas["KnownSlackChannel"];
export type SlackStatus = Schemas["SlackStatus"];
export type SlackTeam = Schemas["SlackTeam"];
export type StartedRun = Schemas["StartedRun"];
export type StatusEvent = Schemas["StatusEvent"];
export type Step = Schemas["Step"];
export type StartedBacktest = Schemas["StartedBacktest"];
export type TestedFate = Schemas["TestedFate"];
export type TestedOccurrence = Schemas["TestedOccurrence"];
export type Task = Schemas["Task"];
export type TaskBody = Schemas["TaskRequest"];
export type TaskDraft = Schemas["TaskDraft"];
export type TaskMethod = Schemas["TaskMethod"];
export type ThreadResult = Schemas["ResultSummary"];
export type ThreadSteps = Schemas["ThreadSteps"];
export type ThreadSummary = Schemas["ThreadSummary"];
export type Token = Schemas["Token"];
export type ToolCall = Schemas["ToolCall"];
export type Turn = Schemas["Turn"];
export type VerifiedQuestion = Schemas["VerifiedQuestion"];
export type VerifiedQuestionBody = Schemas["VerifiedQuestionRequest"];
export type Webhook = Schemas["Webhook"];
export type WebhookBody = Schemas["WebhookRequest"];
export type WebhookChanges = Schemas["WebhookPatch"];
export type WebhookEvent = Schemas["WebhookEvent"];
export type WebhookMessage = Schemas["WebhookMessage"];
export type WebhookWithSecret = Schemas["WebhookWithSecret"];
export type Window = Schemas["Window"];
export type WorkspaceSettings = Schemas["WorkspaceSettings"];

/** The words of a schedule's weekdays; the document leaves them open. */
export type Weekday = "mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun";

/** A page of a list. */
export interface Page<T> {
  values: T[];
  pagination: Schemas["Pagination"];
}
