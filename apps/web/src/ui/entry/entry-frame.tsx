import type { ReactNode } from "react"
import { Link } from "wouter"

import { t } from "../../i18n/translate.ts"
import { useSnapshot, useSurroundings } from "../data/app-context.tsx"
import { Mark } from "../frame/mark.tsx"

/** The sheet on which everything before the vault stands: brand, one column, and which server this is. */
export const EntryFrame = ({ children, wide = false }: { readonly children: ReactNode; readonly wide?: boolean }) => {
  const surroundings = useSurroundings()
  const status = useSnapshot((snapshot) => snapshot.status)
  const server = status?.account?.server ?? status?.enrolment?.server ?? surroundings.origin
  return (
    <div className="entry">
      <header className="entry-head">
        <Link to="/" className="brand">
          <Mark />
          <span>Keyferry</span>
        </Link>
      </header>
      <main className="entry-main" data-wide={wide ? "" : undefined}>
        {children}
      </main>
      <footer className="entry-foot muted">
        <span>
          {t("entry.server")} <bdi>{hostOf(server)}</bdi>
        </span>
        <Link to="/security">{t("entry.what-server-sees")}</Link>
      </footer>
    </div>
  )
}

export const hostOf = (url: string): string => {
  try {
    return new URL(url).host
  } catch {
    // What a person typed need not be an address yet.
    return url.slice(0, 80)
  }
}
