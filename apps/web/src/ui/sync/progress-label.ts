import type { Progress } from "@keyferry/sdk"

import { t } from "../../i18n/translate.ts"

export const progressLabel = (progress: Progress | undefined): string => t(`progress.${progress?.step ?? "opening"}`)
