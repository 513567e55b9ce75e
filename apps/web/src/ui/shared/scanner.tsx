import { useEffect, useRef, useState } from "react"

import { t } from "../../i18n/translate.ts"
import { Button } from "../kit/button.tsx"
import { Dialog, DialogActions } from "../kit/dialog.tsx"
import { Notice } from "../kit/notice.tsx"

interface Detector {
  readonly detect: (source: HTMLVideoElement) => Promise<readonly { readonly rawValue: string }[]>
}
type DetectorMaker = new (options: { readonly formats: readonly string[] }) => Detector

const detectorMaker = (): DetectorMaker | undefined =>
  (globalThis as { BarcodeDetector?: DetectorMaker }).BarcodeDetector

/** Only where the browser itself reads codes; elsewhere the same thing is typed. */
export const canScan = (): boolean => detectorMaker() !== undefined && navigator.mediaDevices !== undefined

const LOOK_EVERY_MS = 250

/** The camera, until a code is seen. The picture stays in this page. */
export const Scanner = ({
  label,
  onText,
  onClose,
}: {
  readonly label: string
  readonly onText: (text: string) => void
  readonly onClose: () => void
}) => {
  const video = useRef<HTMLVideoElement>(null)
  const [refused, setRefused] = useState(false)
  const answer = useRef(onText)
  answer.current = onText
  useEffect(() => {
    const Maker = detectorMaker()
    if (Maker === undefined) return undefined
    const detector = new Maker({ formats: ["qr_code"] })
    let stream: MediaStream | undefined
    let ended = false
    let timer: ReturnType<typeof setTimeout> | undefined
    const look = async (): Promise<void> => {
      const [code] = video.current === null ? [] : await detector.detect(video.current).catch(() => [])
      if (ended) return
      if (code !== undefined) answer.current(code.rawValue)
      else timer = setTimeout(() => void look(), LOOK_EVERY_MS)
    }
    navigator.mediaDevices
      .getUserMedia({ video: { facingMode: "environment" } })
      .then(async (opened) => {
        stream = opened
        if (ended || video.current === null) return
        video.current.srcObject = opened
        await video.current.play()
        await look()
      })
      .catch(() => setRefused(true))
    return () => {
      ended = true
      clearTimeout(timer)
      for (const track of stream?.getTracks() ?? []) track.stop()
    }
  }, [])
  return (
    <Dialog title={label} open onClose={onClose}>
      {refused ? (
        <Notice tone="warn">{t("scan.refused")}</Notice>
      ) : (
        <video ref={video} className="camera" muted playsInline aria-label={t("scan.camera")} />
      )}
      <p className="muted">{t("scan.stays")}</p>
      <DialogActions>
        <Button onPress={onClose}>{t("button.cancel")}</Button>
      </DialogActions>
    </Dialog>
  )
}
