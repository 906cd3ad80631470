"""Class lists and label codes that readers and sample writers share, fixed and never taken from folders.

Those of a new data set stand in its adapter, where its sample writer finds them.

A half-downloaded data set must not renumber its classes, so nothing is ever derived from what lies on disk.
"""

from __future__ import annotations

from itertools import pairwise

DTD: tuple[str, ...] = tuple(
    """
    banded blotchy braided bubbly bumpy chequered cobwebbed cracked crosshatched crystalline dotted fibrous
    flecked freckled frilly gauzy grid grooved honeycombed interlaced knitted lacelike lined marbled matted
    meshed paisley perforated pitted pleated polka-dotted porous potholed scaly smeared spiralled sprinkled
    stained stratified striped studded swirly veined waffled woven wrinkled zigzagged
    """.split()
)

CLEVR_COUNTS: tuple[str, ...] = tuple(str(count) for count in range(3, 11))
"""CLEVR scenes hold three to ten objects; VTAB and virb count them as eight classes."""

CLEVR_EDGES: tuple[float, ...] = (0.0, 8.0, 8.5, 9.0, 9.5, 10.0, 100.0)
"""VTAB's bins of how far the nearest object is from the camera; an edge belongs to the nearer bin."""
CLEVR_DISTANCES: tuple[str, ...] = tuple(f"{near:g} to {far:g}" for near, far in pairwise(CLEVR_EDGES))

THOR_ACTIONS: tuple[str, ...] = ("MoveAhead", "RotateLeft", "RotateRight", "LookUp", "LookDown")
"""The order of the original's label indices."""

CIFAR100: tuple[str, ...] = tuple(
    """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
    caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
    flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree
    plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
    snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train
    trout tulip turtle wardrobe whale willow_tree wolf woman worm
    """.split()
)
"""The fine classes in the order of their numbers, which is alphabetical."""

_COCO_THINGS = """
1 person, 2 bicycle, 3 car, 4 motorcycle, 5 airplane, 6 bus, 7 train, 8 truck, 9 boat, 10 traffic light,
11 fire hydrant, 13 stop sign, 14 parking meter, 15 bench, 16 bird, 17 cat, 18 dog, 19 horse, 20 sheep, 21 cow,
22 elephant, 23 bear, 24 zebra, 25 giraffe, 27 backpack, 28 umbrella, 31 handbag, 32 tie, 33 suitcase, 34 frisbee,
35 skis, 36 snowboard, 37 sports ball, 38 kite, 39 baseball bat, 40 baseball glove, 41 skateboard, 42 surfboard,
43 tennis racket, 44 bottle, 46 wine glass, 47 cup, 48 fork, 49 knife, 50 spoon, 51 bowl, 52 banana, 53 apple,
54 sandwich, 55 orange, 56 broccoli, 57 carrot, 58 hot dog, 59 pizza, 60 donut, 61 cake, 62 chair, 63 couch,
64 potted plant, 65 bed, 67 dining table, 70 toilet, 72 tv, 73 laptop, 74 mouse, 75 remote, 76 keyboard,
77 cell phone, 78 microwave, 79 oven, 80 toaster, 81 sink, 82 refrigerator, 84 book, 85 clock, 86 vase,
87 scissors, 88 teddy bear, 89 hair drier, 90 toothbrush
"""
_COCO_STUFF = """
92 banner, 93 blanket, 95 bridge, 100 cardboard, 107 counter, 109 curtain, 112 door-stuff, 118 floor-wood,
119 flower, 122 fruit, 125 gravel, 128 house, 130 light, 133 mirror-stuff, 138 net, 141 pillow, 144 platform,
145 playingfield, 147 railroad, 148 river, 149 road, 151 roof, 154 sand, 155 sea, 156 shelf, 159 snow, 161 stairs,
166 tent, 168 towel, 171 wall-brick, 175 wall-stone, 176 wall-tile, 177 wall-wood, 178 water-other,
180 window-blind, 181 window-other, 184 tree-merged, 185 fence-merged, 186 ceiling-merged, 187 sky-other-merged,
188 cabinet-merged, 189 table-merged, 190 floor-other-merged, 191 pavement-merged, 192 mountain-merged,
193 grass-merged, 194 dirt-merged, 195 paper-merged, 196 food-other-merged, 197 building-other-merged,
198 rock-merged, 199 wall-other-merged, 200 rug-merged
"""
COCO_PANOPTIC: tuple[tuple[int, str, bool], ...] = tuple(
    (int(number), name, listing is _COCO_THINGS)
    for listing in (_COCO_THINGS, _COCO_STUFF)
    for number, _, name in (entry.strip().partition(" ") for entry in listing.replace("\n", " ").split(","))
)
"""Id (with gaps), name and whether it is a thing, of the 80 things and 53 stuffs of COCO panoptic 2017."""

TASKONOMY_TINY: dict[str, tuple[str, ...]] = {
    "train": tuple(
        """
        allensville beechwood benevolence coffeen cosmos forkland hanson hiteman klickitat lakeville leonardo lindenwood
        marstons merom mifflinburg newfields onaga pinesdale pomaria ranchester shelbyville stockman tolstoy wainscott
        woodbine
        """.split()
    ),
    "val": ("collierville", "corozal", "darden", "markleeville", "wiconisco"),
    "test": ("ihlen", "mcdade", "muleshoe", "noxapater", "uvalda"),
}
"""The buildings of Taskonomy's official tiny split, as three public readers of the data list them."""

PETS: tuple[str, ...] = tuple(
    """
    Abyssinian american_bulldog american_pit_bull_terrier basset_hound beagle Bengal Birman Bombay boxer
    British_Shorthair chihuahua Egyptian_Mau english_cocker_spaniel english_setter german_shorthaired great_pyrenees
    havanese japanese_chin keeshond leonberger Maine_Coon miniature_pinscher newfoundland Persian pomeranian pug
    Ragdoll Russian_Blue saint_bernard samoyed scottish_terrier shiba_inu Siamese Sphynx staffordshire_bull_terrier
    wheaten_terrier yorkshire_terrier
    """.split()
)
"""The breeds in the order of the owner's numbers 1 to 37; a capital tells a cat."""

CALTECH101: tuple[str, ...] = tuple(
    """
    Faces Faces_easy Leopards Motorbikes accordion airplanes anchor ant barrel bass beaver binocular bonsai brain
    brontosaurus buddha butterfly camera cannon car_side ceiling_fan cellphone chair chandelier cougar_body
    cougar_face crab crayfish crocodile crocodile_head cup dalmatian dollar_bill dolphin dragonfly electric_guitar
    elephant emu euphonium ewer ferry flamingo flamingo_head garfield gerenuk gramophone grand_piano hawksbill
    headphone hedgehog helicopter ibis inline_skate joshua_tree kangaroo ketch lamp laptop llama lobster lotus
    mandolin mayfly menorah metronome minaret nautilus octopus okapi pagoda panda pigeon pizza platypus pyramid
    revolver rhino rooster saxophone schooner scissors scorpion sea_horse snoopy soccer_ball stapler starfish
    stegosaurus stop_sign strawberry sunflower tick trilobite umbrella watch water_lilly wheelchair wild_cat
    windsor_chair wrench yin_yang
    """.split()
)
"""The 101 folders of objects, capitals first, as they sort; BACKGROUND_Google is none of them."""

EUROSAT: tuple[str, ...] = tuple(
    """
    AnnualCrop Forest HerbaceousVegetation Highway Industrial Pasture PermanentCrop Residential River SeaLake
    """.split()
)

NUSCENES_ACTIONS: tuple[str, ...] = ("forward", "left", "right")
"""What a car does between two frames, in the words of the paper; the lists themselves could not be read."""

CITYSCAPES: tuple[tuple[int, str], ...] = (
    (7, "road"),
    (8, "sidewalk"),
    (11, "building"),
    (12, "wall"),
    (13, "fence"),
    (17, "pole"),
    (19, "traffic light"),
    (20, "traffic sign"),
    (21, "vegetation"),
    (22, "terrain"),
    (23, "sky"),
    (24, "person"),
    (25, "rider"),
    (26, "car"),
    (27, "truck"),
    (28, "bus"),
    (31, "train"),
    (32, "motorcycle"),
    (33, "bicycle"),
)
"""Label id in the owner's pictures, 0 to 33, and name of the 19 classes that are scored; all other ids are void."""

CITYSCAPES_CITIES: dict[str, tuple[str, ...]] = {
    "train": tuple(
        """
        aachen bochum bremen cologne darmstadt dusseldorf erfurt hamburg hanover jena krefeld monchengladbach strasbourg
        stuttgart tubingen ulm weimar zurich
        """.split()
    ),
    "val": ("frankfurt", "lindau", "munster"),
}
"""The owner's two splits that have labels."""

EGOHANDS: tuple[str, ...] = ("background", "yourleft", "yourright", "myleft", "myright")
"""The order of the original's label indices: the partner's hands before those of whoever wears the camera."""

_EGOHANDS_HELD = {
    "val": ("CARDS_LIVINGROOM_S_H", "CHESS_COURTYARD_H_S", "JENGA_COURTYARD_T_S", "PUZZLE_OFFICE_S_T"),
    "test": (
        "CARDS_COURTYARD_B_T",
        "CARDS_OFFICE_S_B",
        "CHESS_COURTYARD_B_T",
        "CHESS_LIVINGROOM_T_H",
        "JENGA_LIVINGROOM_S_T",
        "JENGA_OFFICE_H_T",
        "PUZZLE_COURTYARD_H_T",
        "PUZZLE_LIVINGROOM_T_B",
    ),
}
_EGOHANDS_PAIRS = """
CARDS COURTYARD B_T H_S S_H T_B, CARDS LIVINGROOM B_T H_S S_H T_B, CARDS OFFICE B_S H_T S_B T_H,
CHESS COURTYARD B_T H_S S_H T_B, CHESS LIVINGROOM B_S H_T S_B T_H, CHESS OFFICE B_S H_T S_B T_H,
JENGA COURTYARD B_H H_B S_T T_S, JENGA LIVINGROOM B_H H_B S_T T_S, JENGA OFFICE B_S H_T S_B T_H,
PUZZLE COURTYARD B_S H_T S_B T_H, PUZZLE LIVINGROOM B_T H_S S_H T_B, PUZZLE OFFICE B_H H_B S_T T_S
"""
_EGOHANDS_VIDEOS = tuple(
    f"{game}_{place}_{pair}"
    for game, place, *pairs in (entry.split() for entry in _EGOHANDS_PAIRS.split(","))
    for pair in pairs
)
EGOHANDS_VIDEOS: dict[str, tuple[str, ...]] = {
    "train": tuple(video for video in _EGOHANDS_VIDEOS if not any(video in held for held in _EGOHANDS_HELD.values())),
    **_EGOHANDS_HELD,
}
"""The 48 videos (game, place, viewer and partner) by the split of the owner's paper: 36, 4 and 8."""

SAMPLE_MARKER = ".virb-sample.json"
"""The file that the sample world writes last into a data set's folder, with a checksum over all of it."""
