import type { ReactNode } from "react"
import { Tab, TabList, TabPanel, Tabs as AriaTabs } from "react-aria-components"

export const Tabs = ({
  name,
  tabs,
  selected,
  onSelect,
}: {
  readonly name: string
  readonly tabs: readonly { readonly id: string; readonly label: string; readonly panel: ReactNode }[]
  readonly selected: string
  readonly onSelect: (id: string) => void
}) => (
  <AriaTabs selectedKey={selected} onSelectionChange={(key) => onSelect(String(key))}>
    <TabList className="tabs-list" aria-label={name}>
      {tabs.map((tab) => (
        <Tab key={tab.id} id={tab.id} className="tab">
          {tab.label}
        </Tab>
      ))}
    </TabList>
    {tabs.map((tab) => (
      <TabPanel key={tab.id} id={tab.id} className="tab-panel">
        {tab.panel}
      </TabPanel>
    ))}
  </AriaTabs>
)
