import type { Status } from "@keyferry/sdk"

/** Whether items may be read now. */
export const isOpen = ({ lock }: Pick<Status, "lock">): boolean => lock === "unlocked" || lock === "standard-only"
