import type { ReactNode } from "react"
import { Dialog as AriaDialog, Heading, Modal, ModalOverlay } from "react-aria-components"

import { AriaLocale } from "./aria-locale.tsx"

/** A question in front of the page. It closes with Escape unless work is under way; focus goes back to where it was. */
export const Dialog = ({
  title,
  children,
  open,
  onClose,
  wide = false,
  alert = false,
  busy = false,
}: {
  readonly title: ReactNode
  readonly children: ReactNode
  readonly open: boolean
  readonly onClose: () => void
  readonly wide?: boolean
  readonly alert?: boolean
  readonly busy?: boolean
}) => (
  <AriaLocale>
    <ModalOverlay
      className="veil"
      isOpen={open}
      onOpenChange={(next) => {
        if (!next) onClose()
      }}
      isDismissable={!alert && !busy}
      isKeyboardDismissDisabled={busy}
    >
      <Modal className="dialog-box" data-wide={wide ? "" : undefined}>
        <AriaDialog className="dialog" role={alert ? "alertdialog" : "dialog"}>
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          {children}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  </AriaLocale>
)

export const DialogActions = ({ children }: { readonly children: ReactNode }) => (
  <div className="dialog-actions">{children}</div>
)
