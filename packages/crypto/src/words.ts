/**
 * 1,024 short English words for comparing keys by voice: ten bits each, told apart by their first four letters.
 * Frozen: a changed word would make two versions show different words for the same keys.
 * Source   spec/keys.md KE19
 */
export const WORDS: readonly string[] = `
able acid acorn acre actor adapt admit adult agent agree ahead aisle alarm album alert algae alien alley allow alone
alpha amaze amber ample angle ankle anvil apart apple apron aqua arch arena argue armor army aroma arrow aside aspen
atlas atom attic aunt awake award axis azure baby bacon badge bagel baker banjo barn basil beach bead beam bean bear
beef begin beige bell bench berry bird bison blade blaze blend bless blink blue board boat body boil bold bonus book
bowl boxer brave bread brick broom brush bugle build bulb bunny busy buyer buzz cabin cable cadet cake calm canal
canoe cave cedar cello chair chalk charm chat chess chime chip cider city civic claim clap clay clean clerk cliff
climb clock cloud club coach coast cocoa code coin comet coral couch cover cozy crab craft crane creek crew crisp
crowd crumb cube curve cycle daily dairy daisy dance data dawn deal deck deep deer delta denim derby dial diary dirt
dish diver dock donor door dose dove dozen draft drama dream dress drift drink drive drop drum dryer duck duet dune
dust duty dwarf eager eagle early earth easel east easy echo edge edit eight elbow elder elite ember empty enjoy
enter equal equip erase essay every exact exit extra face fade fair fancy favor feast feed felt fence fern ferry
fiber field fifty film final finch fire first fish flag flame flash fleet flint float flock floor flour fluid flute
foam focus foggy foil folk food fork forum found frame fresh frog front frost fruit fuel fuzzy gamma gauge gear
gecko giant gift glad glass gleam glide globe glove glow glue goal goat gold golf good goose gown grace grain grand
grape grass great green grid grill grip group grove guard guess guide gulf habit haiku hair half happy harp hatch
hawk hazel head heart heavy hedge heel help herb hero hike hill hinge hippo hobby hold home honey hood hook horse
hotel hour hover hull human humor hunt husky hymn icing icon idea igloo image inch index inlet inner input iris iron
item ivory jazz jelly jewel join joke jolly judge juice jumbo jump jury just kayak keen kilo kind king kiosk kite
kiwi knee knife knit knock knot koala label labor lace lake lamp large laser lasso later latin laugh lawn layer lazy
leaf learn ledge left lemon lend lens level lift light lilac lily limb lime limit linen lion list liter live llama
loaf lobby local lodge loft logic long lotus loud loyal lucky lunar lunch lyric macro magic mail major maker mango
manor maple march mask match math mayor medal mend menu merge merit merry mesh metal metro might mild milk mimic
mind minor mint mist model month moon moral moss motor mouse movie mule music myth navy near neck neon nerve nest
never news next night nine noble noise nomad north nose note novel nurse nylon oasis oboe ocean offer often olive
omega onion onset onyx opal open opera orbit order organ otter ounce oval oven owner ozone page paint palm panda
panel paper park party pasta patch path patio pause peace peak pearl pedal petal phone photo piano pilot pinch pine
pivot pixel pizza place plaza plot plum poem poet point polar polo pond pony pool poppy porch power price prime
print prize proud pulse pupil purse quail quarry queen quest quick quiet quill quiver quiz quota rabbit racket radar
radio raft rail raisin rally ramp ranch random range rapid rattle raven ravine razor reach ready real reason recipe
record reduce reef refine regal region relax relief remark remedy remind remote render renew rent repair reply
report rescue resist result retail retro return reveal reward rhino rhyme rhythm ribbon rice ride ridge right rigid
ring rinse ripple rise ritual rival river road roast robin robot rocket rodeo roll roof rookie room root rope rose
rotate round route royal rubber ruby rudder ruler rumor runner rural rustic sable saddle safari safe saga sail salad
salmon salon salt salute sample sandal satin sauce savory scale scarf scene school scoop scout screen script scroll
season second secret sedan seed select senior sense sequel series settle seven shadow share shed sheep shelf shield
shift shine ship shirt shoe shop short shovel shrimp shrub side sienna sierra sift signal silent silk silver simple
single siren sister sitcom size skate sketch skill skirt slate sled sleep slice slide slim slogan slope slow smart
smile smoke smooth snack snail snow soap soccer social sock soda sofa soft solar solid solve sonata song sonic soup
source south space spark spice spider spiral splash sponge spoon sport spray spring spruce square squid stable staff
stamp star statue stay steam steel stem step stereo stick still stock stone story stove straw stream strip studio
style submit subway sudden suede sugar suit summer sunset superb supper surf sushi swan swift swim swing switch
symbol syntax syrup system table tackle tactic tailor take talent talk tango tank taper target taste taxi team
teapot teddy temple tenant tennis tent term test thank theme theory thick think thorn thread thrive throne thumb
thyme ticket tidy tiger tile timber time tinsel tiny tired tissue title toast today toffee token tomato tone tonic
tool topaz topic torch total toucan towel town track trade train travel treat tree trend trial tribe trick trim trio
triple trophy trout truck true trust truth tuba tube tulip tuna tundra tunnel turbo turkey turtle tutor tuxedo
twelve twenty twice twig twin twist type uncle under unfold union unique unit update uphill upper upset urban urgent
useful usher vacant vacuum valid valley value vapor vase vast vault vector velvet vendor verb verify vessel video
view vine vinyl violet virtue visa visit visual vital vivid vocal voice volume vote voyage waffle wagon waist walker
wallet walnut walrus waltz wander warden warm wash water wave wealth weaver wedge west whale wheat wheel whole wide
width wild willow window winter wire wisdom wish wizard wolf wombat wonder wood wool word work world worth woven
wrap wreath wrench wrist write yacht yard yarn year yellow yield yoga yogurt yolk young youth zebra zenith zero
zesty zigzag zinc zipper zodiac zone
`
  .trim()
  .split(/\s+/)
