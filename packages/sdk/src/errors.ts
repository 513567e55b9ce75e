/**
 * The one error table, for apps that embed the SDK: codes, and for each its sentence, what it means for the keys and what to
 * do. A path of its own (`@keyferry/sdk/errors`), so that printing an error does not load the SDK.
 */
export {
  type ErrorCode,
  type ErrorEntry,
  errors,
  type Failure,
  failure,
  isErrorCode,
  PROTOCOL_VERSION,
} from "@keyferry/protocol"
