import { type ClipboardEvent, useMemo, useState } from "react"
import { ComboBox, FieldError, Input, Label, ListBox, ListBoxItem, Popover, Text } from "react-aria-components"

import { exchangeById, exchangeIds, toExchangeId } from "@keyferry/items"

import { t } from "../../i18n/translate.ts"
import { IconButton } from "../kit/icon-button.tsx"
import { Icon } from "../kit/icon.tsx"
import { rank } from "../model/filter.ts"

/** Those of the catalogue, found by a few letters; any other name is as good. */
export const ExchangePicker = ({
  value,
  onChange,
  onPaste,
  error,
}: {
  readonly value: string
  readonly onChange: (exchange: string) => void
  readonly onPaste: (text: string, event: ClipboardEvent) => void
  readonly error: string | undefined
}) => {
  const shown = exchangeById(value)?.name ?? value
  // Typing looks for something; the arrow beside the field shows everything.
  const [all, setAll] = useState(false)
  const found = useMemo(() => {
    const known = exchangeIds().map((id) => ({ id, name: exchangeById(id)?.name ?? id }))
    return all || shown === ""
      ? known
      : known
          .map((exchange) => ({ exchange, score: Math.max(rank(exchange.name, shown), rank(exchange.id, shown)) }))
          .filter(({ score }) => score > 20)
          .sort((a, b) => b.score - a.score)
          .map(({ exchange }) => exchange)
  }, [all, shown])
  return (
    <ComboBox
      className="field"
      allowsCustomValue
      inputValue={shown}
      onInputChange={(text) => {
        setAll(false)
        onChange(toExchangeId(text))
      }}
      onSelectionChange={(key) => {
        if (key !== null) onChange(String(key))
      }}
      items={found}
      isInvalid={error !== undefined}
      isRequired
      validationBehavior="aria"
      menuTrigger="input"
      onOpenChange={(open, trigger) => {
        if (open) setAll(trigger === "manual")
      }}
    >
      <Label className="field-label">{t("editor.exchange")}</Label>
      <div className="input-line">
        {/* The first thing to say about a key is where it is from. */}
        <Input
          className="input"
          // oxlint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          spellCheck={false}
          placeholder={t("editor.exchange-placeholder")}
          onPaste={(event) => onPaste(event.clipboardData.getData("text"), event)}
        />
        <IconButton icon="down" name={t("editor.exchange-all")} />
      </div>
      <Text slot="description" className="field-hint">
        {t("editor.exchange-hint", { n: exchangeIds().length })}
      </Text>
      <FieldError className="field-error">
        <Icon name="alert" size={16} />
        {error}
      </FieldError>
      <Popover className="popover exchange-list">
        <ListBox className="listbox">
          {(exchange: { readonly id: string; readonly name: string }) => (
            <ListBoxItem id={exchange.id} className="menu-item" textValue={exchange.name}>
              <bdi>{exchange.name}</bdi>
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </ComboBox>
  )
}
