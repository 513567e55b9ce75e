/** The SDK's types in one place; nothing of the SDK is loaded by this. */
export type {
  DeviceInfo,
  EnrolmentState,
  FieldValue,
  ItemChange,
  ItemInput,
  ItemSummary,
  ItemView,
  Keyferry,
  Kit,
  OnProgress,
  Outcome,
  PasskeyInfo,
  Progress,
  Revision,
  RotationEntry,
  Status,
} from "@keyferry/sdk"
