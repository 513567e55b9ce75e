import { useEffect, useRef, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Notice } from "../kit/notice.tsx"

const LOOK_EVERY_MS = 250

type Trouble = "none" | "refused" | "failed"

/** By the names of https://www.w3.org/TR/mediacapture-streams/#dom-mediadevices-getusermedia. */
const troubleOf = (error: unknown): Trouble => {
  const name = error instanceof DOMException ? error.name : ""
  if (name === "NotFoundError" || name === "OverconstrainedError") return "none"
  return name === "NotAllowedError" || name === "SecurityError" ? "refused" : "failed"
}

interface ScanProps {
  readonly label: string
  /** What is typed where nothing can be scanned. */
  readonly instead: string
  readonly onText: (text: string) => void
}

/** The button, and the camera behind it until a code is seen. */
export const ScanButton = ({ name, ...scan }: ScanProps & { readonly name: string }) => {
  const [open, setOpen] = useState(false)
  const seen = (text: string): void => {
    setOpen(false)
    scan.onText(text)
  }
  return (
    <>
      <Button icon="qr" onPress={() => setOpen(true)}>
        {name}
      </Button>
      {open ? <Scanner {...scan} onText={seen} onClose={() => setOpen(false)} /> : null}
    </>
  )
}

/** Looks through the camera. The picture stays in this page. */
const Scanner = ({ label, instead, onText, onClose }: ScanProps & { readonly onClose: () => void }) => {
  const video = useRef<HTMLVideoElement>(null)
  const [trouble, setTrouble] = useState<Trouble>()
  const answer = useRef(onText)
  answer.current = onText
  useEffect(() => {
    let stream: MediaStream | undefined
    let ended = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const watch = async (): Promise<void> => {
      // Not every browser reads codes by itself, and those that do differ; so the same reader looks in all of them.
      const [opened, { BarcodeDetector }] = await Promise.all([
        navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } }),
        import("qr/decode.js"),
      ])
      stream = opened
      if (ended || video.current === null) {
        stop()
        return
      }
      video.current.srcObject = opened
      await video.current.play()
      const detector = new BarcodeDetector({ formats: ["qr_code"] })
      const look = async (): Promise<void> => {
        // A picture that is not there yet is looked for again.
        const [code] = video.current === null ? [] : await detector.detect(video.current).catch(() => [])
        if (ended) return
        if (code !== undefined) answer.current(code.rawValue)
        else timer = setTimeout(() => void look(), LOOK_EVERY_MS)
      }
      await look()
    }
    const stop = (): void => {
      for (const track of stream?.getTracks() ?? []) track.stop()
    }
    watch().catch((error: unknown) => {
      stop()
      if (!ended) setTrouble(troubleOf(error))
    })
    return () => {
      ended = true
      clearTimeout(timer)
      stop()
    }
  }, [])
  return (
    <Dialog title={label} open onClose={onClose}>
      {trouble === undefined ? (
        <>
          <video ref={video} className="camera" muted playsInline aria-label={t("scan.camera")} />
          <p className="muted">{t("scan.stays")}</p>
        </>
      ) : (
        <Notice tone="warn" title={t(`scan.${trouble}`)} live>
          {instead}
        </Notice>
      )}
      <DialogActions>
        <Button onPress={onClose}>{t("button.cancel")}</Button>
      </DialogActions>
    </Dialog>
  )
}
