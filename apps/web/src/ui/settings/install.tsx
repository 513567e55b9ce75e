import { t } from "../../i18n/translate.ts"
import { install, useInstalling } from "../data/install.ts"
import { Button } from "../kit/button.tsx"

/** An installed app opens without the server, and its bytes are cleared last. */
export const InstallAsApp = () => {
  const state = useInstalling()
  if (state === "installed") return <p className="muted">{t("install.is")}</p>
  return (
    <>
      <p className="muted">{t("install.how")}</p>
      {state === "offered" ? (
        <div>
          <Button onPress={() => void install()}>{t("install.do")}</Button>
        </div>
      ) : null}
    </>
  )
}
