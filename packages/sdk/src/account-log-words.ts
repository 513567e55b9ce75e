/** The sentences for the lines of `accountLog` (`@keyferry/sdk/account-log-words`): a path of its own, so that saying one does not load the SDK. */
export { ACCOUNT_LOG, WORTH_A_LOOK } from "@keyferry/protocol"
