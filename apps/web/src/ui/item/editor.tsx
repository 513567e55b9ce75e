import { type ClipboardEvent, type ReactNode, useState } from "react"

import {
  buildFields,
  exchangeById,
  findSwapped,
  type FieldReason,
  type FieldSpec,
  type Kind,
  normaliseField,
  toExchangeId,
} from "@keyferry/items"
import type { FieldValue, ItemSummary } from "@keyferry/sdk"
import type { Failure } from "@keyferry/sdk/errors"

import { list } from "../../i18n/times.ts"
import { fromTable, t } from "../../i18n/translate.ts"
import { useItems } from "../data/app-context.tsx"
import { Button } from "../kit/button.tsx"
import { Field, type Said } from "../kit/field.tsx"
import { FailureNotice, Notice } from "../kit/notice.tsx"
import { canWithdraw } from "../model/kinds.ts"
import { splitPaste } from "../model/paste.ts"
import { makePassword } from "../model/strength.ts"
import { ExchangePicker } from "./exchange-picker.tsx"
import { PermissionsField } from "./permissions-field.tsx"
import { REASONS } from "./reasons.ts"
import { CustomFields } from "./custom-fields.tsx"

export interface Draft {
  readonly title: string
  readonly values: Readonly<Record<string, string>>
  readonly tags: string
}

export const EMPTY_DRAFT: Draft = { title: "", values: {}, tags: "" }

export interface EditorProps {
  readonly kind: Kind
  readonly draft: Draft
  readonly onChange: (draft: Draft) => void
  readonly onSave: (built: {
    readonly title: string
    readonly fields: readonly FieldValue[]
    readonly tags: readonly string[]
  }) => void
  readonly onCancel?: () => void
  readonly pending: boolean
  readonly failure: Failure | undefined
  readonly saveLabel: string
  readonly focusField?: string
  readonly children?: ReactNode
}

interface Problem {
  readonly field: string
  readonly reason: FieldReason
}

/** One form for every kind, made from the kind's own fields; an exchange key asks what its exchange asks. */
export const Editor = (props: EditorProps) => {
  const { kind, draft, onChange } = props
  const [problem, setProblem] = useState<Problem>()
  const [said, setSaid] = useState<Readonly<Record<string, Said>>>({})
  const [split, setSplit] = useState<string>()
  const specs = kind.fieldsFor(draft.values)
  const exchange = kind.kind === "exchange-key" ? exchangeById(toExchangeId(draft.values["exchange"] ?? "")) : undefined
  const isExchange = kind.kind === "exchange-key"
  const known = new Set(specs.map((spec) => spec.name))
  const custom = Object.keys(draft.values).filter(
    (name) => !known.has(name) && !kind.fields.some((spec) => spec.name === name),
  )

  const set = (name: string, value: string): void => {
    if (problem?.field === name || problem?.reason === "swapped") setProblem(undefined)
    if (said[name] !== undefined) {
      const { [name]: _gone, ...rest } = said
      setSaid(rest)
    }
    onChange({ ...draft, values: { ...draft.values, [name]: value } })
  }

  /** Cleans a field when the person leaves it, and says what was done to it. */
  const settle = (spec: FieldSpec): void => {
    const raw = draft.values[spec.name] ?? ""
    if (raw === "") return
    const clean = normaliseField(spec, raw)
    if (!clean.ok) return
    if (clean.value.value !== raw) onChange({ ...draft, values: { ...draft.values, [spec.name]: clean.value.value } })
    if (clean.value.trimmed || clean.value.lineBreaksRestored) {
      const text = t(clean.value.lineBreaksRestored ? "editor.line-breaks" : "editor.trimmed")
      setSaid((before) => ({ ...before, [spec.name]: { tone: "ok", text } }))
    }
  }

  /** Whether it was several values at once, which stand in their fields now. */
  const pasteMany = (text: string, event: ClipboardEvent, into?: string): boolean => {
    const found = splitPaste(text, specs, into)
    if (found === undefined) return false
    event.preventDefault()
    const isNamed = !isExchange || (draft.values["exchange"] ?? "") !== "" || found.exchange === undefined
    const values = isNamed ? found.values : { exchange: found.exchange, ...found.values }
    const names = Object.keys(values)
    onChange({ ...draft, values: { ...draft.values, ...values } })
    // What was said of a value that stood there before.
    setSaid((before) => Object.fromEntries(Object.entries(before).filter(([name]) => !names.includes(name))))
    setSplit(
      t("editor.split", {
        form: found.form,
        names: list(names.map((name) => fromTable(specs.find((s) => s.name === name)?.label ?? name))),
      }),
    )
    return true
  }

  const paste = (spec: FieldSpec, text: string, event: ClipboardEvent): void => {
    if (pasteMany(text, event, spec.name)) return
    const clean = normaliseField(spec, text)
    if (
      !clean.ok ||
      clean.value.value === text ||
      (draft.values[spec.name] !== undefined && draft.values[spec.name] !== "")
    )
      return
    event.preventDefault()
    onChange({ ...draft, values: { ...draft.values, [spec.name]: clean.value.value } })
    const what = t(clean.value.lineBreaksRestored ? "editor.line-breaks" : "editor.trimmed")
    setSaid((before) => ({ ...before, [spec.name]: { tone: "ok", text: what } }))
  }

  const swapped = isExchange ? findSwapped(exchange, draft.values) : undefined

  const swap = (): void => {
    const pair =
      swapped === "wallet-address" || swapped === "private-key"
        ? (["wallet-address", "private-key"] as const)
        : swapped === "id" || swapped === "token"
          ? (["id", "token"] as const)
          : (["key", "secret"] as const)
    const [a, b] = pair
    onChange({ ...draft, values: { ...draft.values, [a]: draft.values[b] ?? "", [b]: draft.values[a] ?? "" } })
    setProblem(undefined)
  }

  const title =
    draft.title.trim() === ""
      ? suggestedTitle(exchange?.name ?? draft.values["exchange"], draft.values, kind)
      : draft.title.trim()

  const save = (): void => {
    const built = buildFields(kind, Object.entries(draft.values))
    if (!built.ok) {
      setProblem(built.error)
      focusOn(built.error.field)
      return
    }
    props.onSave({
      title,
      fields: [...built.value.fields].map(([name, field]) => ({ name, ...field })),
      tags: draft.tags
        .split(",")
        .map((tag) => tag.trim())
        .filter(Boolean),
    })
  }

  const error = (name: string): string | undefined => (problem?.field === name ? t(REASONS[problem.reason]) : undefined)

  const asked = specs.filter((spec) => !ABOUT.has(spec.name) && spec.name !== "exchange")
  // While the exchange is not known, what few exchanges ask for stands behind one line.
  const isRare = (spec: FieldSpec): boolean =>
    isExchange && exchange === undefined && !USUAL.has(spec.name) && (draft.values[spec.name] ?? "") === ""
  const main = asked.filter((spec) => !isRare(spec))
  const rare = asked.filter(isRare)
  const about = specs.filter((spec) => ABOUT.has(spec.name))

  const specField = (spec: FieldSpec) => (
    <SpecField
      key={spec.name}
      spec={spec}
      value={draft.values[spec.name] ?? ""}
      onChange={(value) => set(spec.name, value)}
      onPaste={(text, event) => paste(spec, text, event)}
      onSettle={() => settle(spec)}
      said={said[spec.name]}
      error={spec.name === problem?.field && problem.reason === "swapped" ? undefined : error(spec.name)}
      focused={props.focusField === spec.name}
      generate={spec.name === "password" && !isExchange}
      // What is needed is known with the exchange: calling its key optional before that would mislead.
      unsure={isExchange && exchange === undefined && USUAL.has(spec.name)}
    />
  )

  return (
    <form
      className="form editor"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
      noValidate
    >
      {isExchange ? (
        <div data-field="exchange">
          <ExchangePicker
            value={draft.values["exchange"] ?? ""}
            onChange={(id) => set("exchange", id)}
            onPaste={(text, event) => {
              // With the exchange named, its list would only lie over what was filled in.
              if (pasteMany(text, event)) focusOn("key")
            }}
            error={error("exchange")}
          />
          {exchange?.notes === undefined ? null : (
            <ul className="catalogue-notes">
              {exchange.notes.map((note) => (
                <li key={note}>{fromTable(note)}</li>
              ))}
            </ul>
          )}
        </div>
      ) : null}
      <Field
        label={t("editor.name")}
        value={draft.title}
        onChange={(value) => onChange({ ...draft, title: value })}
        placeholder={draft.title === "" ? title : ""}
        hint={isExchange ? t("editor.name-hint") : undefined}
        focused={!isExchange && props.focusField === undefined}
      />
      <div role="status">{split === undefined ? null : <Notice tone="ok">{split}</Notice>}</div>
      {swapped === undefined ? null : (
        <Notice
          tone="warn"
          icon="swap"
          title={t("editor.swapped")}
          actions={
            <Button icon="swap" onPress={swap}>
              {t("editor.swap")}
            </Button>
          }
          live
        >
          {t("editor.swapped-more", { exchange: exchange?.name ?? "" })}
        </Notice>
      )}
      {main.map(specField)}
      {rare.length === 0 ? null : (
        <details className="more-fields">
          <summary>{t("editor.more-fields")}</summary>
          {rare.map(specField)}
        </details>
      )}
      {kind.fields.length === 0 || custom.length > 0 ? (
        <CustomFields
          kind={kind}
          names={custom}
          values={draft.values}
          onSet={set}
          problem={problem}
          onReplace={(values) => onChange({ ...draft, values })}
        />
      ) : null}
      {about.length === 0 ? null : (
        <fieldset className="about-key">
          <legend>{t("editor.about-key")}</legend>
          {about.map((spec) =>
            spec.name === "permissions" ? (
              <PermissionsField
                key={spec.name}
                value={draft.values["permissions"] ?? ""}
                onChange={(value) => set("permissions", value)}
              />
            ) : (
              <SpecField
                key={spec.name}
                spec={spec}
                value={draft.values[spec.name] ?? ""}
                onChange={(value) => set(spec.name, value)}
                onPaste={(text, event) => paste(spec, text, event)}
                onSettle={() => settle(spec)}
                said={said[spec.name]}
                error={error(spec.name)}
                {...(spec.name === "ip-allow-list"
                  ? {
                      lines: 2,
                      hint:
                        exchange?.ipAllowListMax === undefined
                          ? t("editor.ip-hint")
                          : t("editor.ip-hint-max", { n: exchange.ipAllowListMax }),
                    }
                  : {})}
                {...(spec.name === "expires-at" ? { hint: t("editor.expires-hint") } : {})}
              />
            ),
          )}
        </fieldset>
      )}
      {canWithdraw(draft.values["permissions"]) ? (
        <Notice tone="warn" title={t("editor.withdraw-title")}>
          {t("editor.withdraw-body")}
        </Notice>
      ) : null}
      <Field
        label={t("editor.tags")}
        hint={t("editor.tags-hint")}
        value={draft.tags}
        onChange={(tags) => onChange({ ...draft, tags })}
      />
      {props.children}
      {problem === undefined ? null : (
        <p className="field-error" role="alert">
          {t("editor.problem", { field: labelIn(specs, problem.field), reason: t(REASONS[problem.reason]) })}
        </p>
      )}
      <FailureNotice failure={props.failure} />
      <div className="form-actions sticky-actions">
        <Button tone="primary" submit pending={props.pending}>
          {props.saveLabel}
        </Button>
        {props.onCancel === undefined ? null : <Button onPress={props.onCancel}>{t("button.cancel")}</Button>}
      </div>
    </form>
  )
}

const focusOn = (field: string): void =>
  document.querySelector<HTMLElement>(`[data-field="${CSS.escape(field)}"] :is(input, textarea, select)`)?.focus()

/** What an exchange that nobody knows asks for, as a rule. */
const USUAL: ReadonlySet<string> = new Set(["key", "secret", "passphrase"])

const ABOUT = new Set(["sub-account", "permissions", "ip-allow-list", "expires-at"])

const labelIn = (specs: readonly FieldSpec[], name: string): string =>
  fromTable(specs.find((spec) => spec.name === name)?.label ?? name)

const suggestedTitle = (exchange: string | undefined, values: Readonly<Record<string, string>>, kind: Kind): string => {
  if (kind.kind === "exchange-key")
    return exchange === undefined || exchange === "" ? "" : [exchange, values["sub-account"] || "main"].join(" ")
  return (
    values["service"] ||
    values["username"] ||
    values["address"] ||
    values["comment"] ||
    fromTable(kind.label)
  ).slice(0, 80)
}

const SpecField = ({
  spec,
  value,
  onChange,
  onPaste,
  onSettle,
  said,
  error,
  focused = false,
  generate = false,
  unsure = false,
  lines,
  hint,
}: {
  readonly spec: FieldSpec
  readonly value: string
  readonly onChange: (value: string) => void
  readonly onPaste: (text: string, event: ClipboardEvent) => void
  readonly onSettle: () => void
  readonly said: Said | undefined
  readonly error: string | undefined
  readonly focused?: boolean
  readonly generate?: boolean
  /** Whether nobody knows yet if this must be filled in. */
  readonly unsure?: boolean
  readonly lines?: number
  readonly hint?: string
}) => {
  const items = useItems()
  const label = fromTable(spec.label)
  const note = spec.required === true || unsure ? undefined : t("field.optional")
  if (spec.choices !== undefined || spec.refersTo !== undefined) {
    const options: readonly (readonly [string, string])[] =
      spec.choices?.map((choice) => [choice, fromTable(choice)] as const) ??
      items
        .filter((item) => spec.refersTo?.includes(item.kind))
        .map((item: ItemSummary) => [item.id, item.title.slice(0, 80)] as const)
    return (
      <div className="field" data-field={spec.name}>
        <label className="field">
          <span className="field-label">
            {label}
            {note === undefined ? null : <span className="field-label-note">{note}</span>}
          </span>
          <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
            <option value="">{t("field.none")}</option>
            {options.map(([id, text]) => (
              <option key={id} value={id}>
                {text}
              </option>
            ))}
          </select>
        </label>
        {error === undefined ? null : <p className="field-error">{error}</p>}
      </div>
    )
  }
  const many =
    lines ??
    (spec.multiline === true
      ? 4
      : spec.multiline === "pem" && (value.includes("\n") || spec.name === "private-key")
        ? 6
        : undefined)
  return (
    <div data-field={spec.name}>
      <Field
        label={label}
        value={value}
        onChange={onChange}
        onPaste={onPaste}
        onBlur={onSettle}
        secret={spec.secret}
        mono={spec.secret || spec.input === "token"}
        required={spec.required === true}
        {...(note === undefined ? {} : { note })}
        {...((hint ?? spec.hint) ? { hint: hint ?? fromTable(spec.hint ?? "") } : {})}
        said={said}
        error={error}
        focused={focused}
        {...(many === undefined ? {} : { lines: many })}
        after={
          generate ? (
            <Button tone="quiet" onPress={() => onChange(makePassword())}>
              {t("editor.generate")}
            </Button>
          ) : undefined
        }
      />
    </div>
  )
}
