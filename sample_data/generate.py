"""Write the sample tables: a small, made-up film service with viewers who watch in order.

Run as ``python sample_data/generate.py [--output DIR] [--seed N]``. It writes
``interactions.csv``, ``items.csv`` and ``users.csv`` into DIR (by default the folder of this
script) and prints the best score that any ranking could expect, which only the generator can
know, since it holds the exact chance of every film at every step. Needs NumPy alone.
"""

import argparse
import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

SEED = 20240229
USERS = 1000
ITEMS = 500
CUTOFF = 10  # of the best possible NDCG and HR

# Time: two years.
START = 1_672_531_200  # 2023-01-01 00:00 UTC
SPAN = 2 * 365 * 86_400
SHORTEST_GAP = 5_400  # seconds, before a long diary is squeezed
SAME_SITTING = 0.55  # chance that the next film comes within about a day
SITTING_GAP = 0.6 * 86_400  # mean seconds between films of one sitting
PAUSE_GAP = 14 * 86_400  # mean seconds between sittings
LONGEST_STAY = 0.98  # of SPAN: longer diaries are squeezed into it

# History lengths: log-normal, clipped.
MEDIAN_EVENTS = 27.0
SPREAD_EVENTS = 0.55
FEWEST_EVENTS, MOST_EVENTS = 6, 110

# Catalogue.
FIRST_YEAR, LAST_YEAR = 1968, 2024
SERIES = 45
SERIES_LENGTHS = (2, 3, 4, 5)
SERIES_LENGTH_CHANCES = (0.2, 0.4, 0.25, 0.15)
YEARS_BETWEEN_PARTS = (1, 2, 3)
GENRES_PER_FILM_CHANCES = (0.3, 0.5, 0.2)  # one, two, three genres
POPULARITY_SPREAD = 0.4  # standard deviation of log popularity: the long tail

# Gaps in the tables: the share of cells left blank. The viewers themselves see no blanks.
BLANK_GENRES, BLANK_YEAR, BLANK_AGE, BLANK_OCCUPATION = 0.04, 0.03, 0.06, 0.08

# How a viewer picks the next film: each weight scales one term of a sum of logits.
TASTE_WEIGHT = 1.0  # lasting taste, from age group, occupation and the viewer alone
OWN_TASTE = 0.9  # standard deviation of the part of a taste that nothing in users.csv explains
NOSTALGIA_WEIGHT = 1.0  # pull of films from about the years when the viewer was young
NOSTALGIA_AGE, NOSTALGIA_SPREAD, NOSTALGIA_WIDTH = 18, 5.0, 12.0  # years
LAG_WEIGHTS = (0.14, 0.26, 0.24, 0.2, 0.16)  # pull of the last, second last, ... film
MOOD_WEIGHT = 7.5  # pull of the genres that follow on from the last films
FATIGUE_WEIGHT = 1.5  # loss for a genre that each of the last TIRING films had
TIRING = 3
ERA_WEIGHT = 3.25  # pull of films from about the same years as the last films
ERA_WIDTH = 5.0  # years
SEASON_WEIGHT = 0.9
UNSTARTED = -1.0  # for part II and on, before the part ahead of it was watched
SERIES_PULL = (2.2, 3.4, 3.2, 2.4, 1.6, 0.8)  # next part, by films watched since the last part
COLD_SERIES = -1.0  # next part of a series left alone for longer than that
STRAY = 0.05  # chance of a pick at random from all films not yet watched

# Ratings: stars, before rounding to halves.
MEAN_STARS = 3.9
POSITIVE_STARS = 4.0  # counted as liked in the summary
TASTE_STARS, QUALITY_STARS, NOISE_STARS = 0.55, 0.3, 0.6

# The genres stand in a ring: a film puts viewers in the mood for what follows its genres there.
GENRES = (
    "Drama", "Romance", "Comedy", "Family", "Adventure", "Fantasy",
    "Science Fiction", "Documentary", "Mystery", "Crime", "Thriller", "Horror",
)  # fmt: skip
GENRE_SHARES = (0.13, 0.09, 0.12, 0.08, 0.07, 0.07, 0.08, 0.05, 0.07, 0.08, 0.09, 0.07)
FOLLOWS = {0: 0.4, 1: 1.0, 4: 0.5}  # steps along the ring, and how much each is called for
# Month of the year (1-12), genre, strength.
SEASONS = (
    (2, "Romance", 1.5), (7, "Adventure", 1.0), (8, "Adventure", 1.0),
    (10, "Horror", 2.2), (11, "Family", 0.8), (12, "Family", 2.2),
)  # fmt: skip
AGE_BANDS = (16, 25, 35, 50, 65, 80)  # years; band k runs from AGE_BANDS[k] to the next less one
AGE_SHARES = (0.24, 0.26, 0.26, 0.16, 0.08)
AGE_LIKES = (
    ("Horror", "Science Fiction", "Comedy"),
    ("Thriller", "Comedy", "Romance"),
    ("Family", "Fantasy", "Adventure"),
    ("Crime", "Mystery", "Drama"),
    ("Documentary", "Drama", "Mystery"),
)
OCCUPATION_LIKES = {
    "student": ("Horror", "Fantasy"),
    "teacher": ("Drama", "Family"),
    "nurse": ("Romance", "Comedy"),
    "engineer": ("Science Fiction", "Documentary"),
    "carpenter": ("Adventure", "Thriller"),
    "clerk": ("Mystery", "Romance"),
    "driver": ("Crime", "Comedy"),
    "artist": ("Fantasy", "Drama"),
    "scientist": ("Documentary", "Science Fiction"),
    "retired": ("Crime", "Documentary"),
}
STUDENT_BELOW, RETIRED_FROM = 25, 65  # years of age
STUDENT_CHANCE = 0.7
LIKED = 1.0  # taste for a genre that an age band or an occupation likes

# Words for titles, by genre: what the film is about, and how it feels.
NOUNS = {
    "Drama": "Harvest Orchard Inheritance Ferryman Kitchen Quarry Verdict Piano Threshold",
    "Comedy": "Wedding Casserole Lodger Trombone Caravan Plumber Reunion Marmalade Umbrella",
    "Thriller": "Signal Courier Perimeter Ledger Witness Blackout Crossing Deadline Cable",
    "Horror": "Cellar Marrow Wick Hollow Choir Scarecrow Tallow Burrow Lantern",
    "Romance": "Letters Waltz Balcony Summer Violets Promise Postcard Terrace Tide",
    "Family": "Kite Otter Treehouse Puddle Snowman Toymaker Hedgehog Biscuit Lighthouse",
    "Crime": "Safe Alibi Pawnshop Informer Getaway Syndicate Loot Docks Magistrate",
    "Mystery": "Cipher Portrait Attic Pocketwatch Footprint Stranger Locket Manuscript Key",
    "Science Fiction": "Orbit Colony Android Antenna Meridian Reactor Starship Clone Relay",
    "Fantasy": "Crown Harbour Dragon Thorn Spellwright Willow Gryphon Ember Loom",
    "Adventure": "Compass Expedition River Canyon Airship Treasure Summit Raft Atlas",
    "Documentary": "Glaciers Beekeepers Saltmakers Tramways Gardens Shipyards Weavers Moths Bakers",
}
ADJECTIVES = {
    "Drama": "Quiet Borrowed Unsent Narrow Patient",
    "Comedy": "Reluctant Upside-Down Second-Best Runaway Ticklish",
    "Thriller": "Muffled Burning Blind Final Severed",
    "Horror": "Hungry Pale Rotting Whispering Sunken",
    "Romance": "Tender Stolen Midsummer Faraway Blushing",
    "Family": "Littlest Marvellous Muddy Wobbly Giggling",
    "Crime": "Crooked Counterfeit Dirty Midnight Gilded",
    "Mystery": "Missing Locked Thirteenth Misread Veiled",
    "Science Fiction": "Hydrogen Distant Synthetic Zero-Hour Lunar",
    "Fantasy": "Glass Moonlit Enchanted Silver Nameless",
    "Adventure": "Uncharted Thundering Copper Stubborn Windward",
    "Documentary": "Living Vanishing Ordinary Northern Unseen",
}
PLACES = (
    "Ostrelle", "Quarrowby", "Venn Island", "Marlow Fen", "Tessaly", "Karsk", "Dunmere",
    "Port Alder", "Brackwater", "Ivory Lane", "Hollin Street", "Saint Odo", "Pellmoor",
    "Varnholt", "Little Umber", "Cape Sorrow", "Nine Elms Road", "Ashgrove", "Lindqvist Bay",
    "Morrow Quay",
)  # fmt: skip
NUMERALS = ("II", "III", "IV", "V")


@dataclass(frozen=True)
class Catalogue:
    """The films; every array has one entry (or row) a film, in the order of items.csv."""

    titles: list[str]
    genres: Bools  # films x genres
    year: Ints
    next_part: Ints  # row of the next part of the series, or -1
    later_part: Bools  # part II or on
    popularity: Floats  # log scale
    quality: Floats  # standard normal

    @property
    def loads(self) -> Floats:
        """Genre loads: each film's row has length 1, shared evenly by its genres."""
        marks = self.genres.astype(np.float64)
        return marks / np.sqrt(marks.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Viewers:
    """The viewers; every array has one entry (or row) a viewer, in the order of users.csv."""

    age: Ints  # years
    occupation: Ints  # index into OCCUPATION_LIKES
    taste: Floats  # viewers x genres, about -3 to 4
    dear_year: Floats  # middle of the years of release that the viewer likes
    events: Ints  # films to watch


@dataclass(frozen=True)
class Forces:
    """What pulls viewers to films, worked out once: logits, weights included."""

    lasting: Floats  # viewers x films: popularity, taste and the years held dear
    season: Floats  # 12 x films
    mood: Floats  # films x films: row, a film just watched; column, a film to come
    genres: Floats  # films x genres: the genre marks as numbers
    series: Floats  # films: the loss of a part whose earlier part was not watched


@dataclass(frozen=True)
class Diary:
    """What one viewer watched, in order of time, and the chance of every film at the last step."""

    films: Ints
    times: Ints  # Unix seconds
    stars: Floats  # 1 to 5 in halves
    last_chances: Floats  # one a film, sum 1; 0 for films watched before


def main(argv: Sequence[str] | None = None) -> None:
    """Write the three tables and print the best possible scores."""
    parser = argparse.ArgumentParser(description="Write the sample film tables.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder")
    parser.add_argument("--seed", type=int, default=SEED, help=f"seed (default {SEED})")
    options = parser.parse_args(argv)
    rng = np.random.default_rng(options.seed)
    catalogue, viewers = make_catalogue(rng), make_viewers(rng)
    diaries = watch_films(catalogue, viewers, rng)
    options.output.mkdir(parents=True, exist_ok=True)
    write_interactions(options.output / "interactions.csv", diaries)
    write_items(options.output / "items.csv", catalogue, rng)
    write_users(options.output / "users.csv", viewers, rng)
    print_summary(diaries)


# ---------------------------------------------------------------------------- films


def make_catalogue(rng: np.random.Generator) -> Catalogue:
    """Draw ITEMS films, series among them, in a shuffled order."""
    parts = draw_parts(rng)
    series_of = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(ITEMS) - np.repeat(np.cumsum(parts) - parts, parts)
    genres = draw_genres(len(parts), rng)
    popularity = rng.normal(0.0, POPULARITY_SPREAD, len(parts))[series_of]
    return shuffled(
        Catalogue(
            titles=draw_titles(parts, genres, rng),
            genres=genres[series_of],
            year=draw_years(parts, rng),
            next_part=next_parts(parts),
            later_part=part > 0,
            popularity=popularity + rng.normal(0.0, 0.2, ITEMS),
            quality=rng.normal(0.0, 1.0, ITEMS),
        ),
        rng,
    )


def draw_parts(rng: np.random.Generator) -> Ints:
    """Return how many parts each story has: SERIES series, then single films, ITEMS in all."""
    series = rng.choice(SERIES_LENGTHS, size=SERIES, p=SERIES_LENGTH_CHANCES)
    singles = np.ones(ITEMS - int(series.sum()), dtype=np.int64)
    return np.concatenate([series, singles])


def draw_genres(stories: int, rng: np.random.Generator) -> Bools:
    """Return stories x genres marks: one to three genres a story."""
    counts = rng.choice([1, 2, 3], size=stories, p=GENRES_PER_FILM_CHANCES)
    # Gumbel noise on log shares: the top k of a row are k draws without replacement.
    keys = np.log(GENRE_SHARES) + rng.gumbel(size=(stories, len(GENRES)))
    ranks = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return ranks < counts[:, None]


def draw_years(parts: Ints, rng: np.random.Generator) -> Ints:
    """Return a year of release a film: uniform for a first part, ascending in a series."""
    years: list[int] = []
    for count in parts:
        steps = rng.choice(YEARS_BETWEEN_PARTS, size=int(count) - 1)
        first = int(rng.integers(FIRST_YEAR, LAST_YEAR + 1 - int(steps.sum())))
        years += [first, *(first + np.cumsum(steps)).tolist()]
    return np.array(years, dtype=np.int64)


def next_parts(parts: Ints) -> Ints:
    """Return the row of each film's next part, or -1 where there is none."""
    following = np.arange(1, ITEMS + 1)
    following[np.cumsum(parts) - 1] = -1
    return following


def draw_titles(parts: Ints, genres: Bools, rng: np.random.Generator) -> list[str]:
    """Return an invented title a film, none twice; later parts have a numeral and a subtitle."""
    titles: list[str] = []
    used: set[str] = set()
    for count, marks in zip(parts, genres, strict=True):
        genre = GENRES[int(rng.choice(np.flatnonzero(marks)))]
        story = fresh_title(genre, used, rng)
        titles.append(story)
        titles += sequels(story, genre, int(count) - 1, rng)
    return titles


def sequels(story: str, genre: str, count: int, rng: np.random.Generator) -> list[str]:
    """Return the titles of the later parts of a series: numerals from II, and subtitles."""
    nouns = [noun for noun in NOUNS[genre].split() if noun not in story]
    chosen = rng.permutation(len(nouns))[:count]
    return [
        f"{story} {numeral}: The {pick(ADJECTIVES[genre].split(), rng)} {nouns[noun]}"
        for numeral, noun in zip(NUMERALS[:count], chosen, strict=True)
    ]


def fresh_title(genre: str, used: set[str], rng: np.random.Generator) -> str:
    """Return a title for a film of this genre that is not in used, and add it there."""
    while True:
        noun, adjective = pick(NOUNS[genre].split(), rng), pick(ADJECTIVES[genre].split(), rng)
        place = pick(PLACES, rng)
        long_title = f"The {adjective} {noun} of {place}"
        title = pick((f"{noun} of {place}", f"The {place} {noun}", f"{adjective} {place}", long_title), rng)
        if title not in used:
            used.add(title)
            return title


def pick(words: Sequence[str], rng: np.random.Generator) -> str:
    """Return one of the words, each as likely."""
    return words[int(rng.integers(len(words)))]


def shuffled(films: Catalogue, rng: np.random.Generator) -> Catalogue:
    """Return the same films in a random order, so that a row number tells nothing."""
    order = rng.permutation(ITEMS)
    place = np.append(np.argsort(order), -1)  # old row to new row; -1 stays -1
    return Catalogue(
        titles=[films.titles[row] for row in order],
        genres=films.genres[order],
        year=films.year[order],
        next_part=place[films.next_part[order]],
        later_part=films.later_part[order],
        popularity=films.popularity[order],
        quality=films.quality[order],
    )


# ---------------------------------------------------------------------------- viewers


def make_viewers(rng: np.random.Generator) -> Viewers:
    """Draw USERS viewers: their age and occupation shape their taste, but not all of it."""
    band = rng.choice(len(AGE_SHARES), size=USERS, p=AGE_SHARES)
    age = rng.integers(np.array(AGE_BANDS)[band], np.array(AGE_BANDS)[band + 1])
    occupation = draw_occupations(age, rng)
    shared = likes(AGE_LIKES)[band] + likes(tuple(OCCUPATION_LIKES.values()))[occupation]
    own = rng.normal(0.0, OWN_TASTE, (USERS, len(GENRES)))
    lengths = MEDIAN_EVENTS * np.exp(rng.normal(0.0, SPREAD_EVENTS, USERS))
    events = np.clip(lengths.astype(np.int64), FEWEST_EVENTS, MOST_EVENTS)
    return Viewers(age, occupation, shared + own, draw_dear_years(age, rng), events)


def draw_dear_years(age: Ints, rng: np.random.Generator) -> Floats:
    """Return the year that each viewer likes films from: about when they were young."""
    young = np.clip(LAST_YEAR - age + NOSTALGIA_AGE, FIRST_YEAR, LAST_YEAR)
    return young + rng.normal(0.0, NOSTALGIA_SPREAD, age.size)


def draw_occupations(age: Ints, rng: np.random.Generator) -> Ints:
    """Return an occupation index a viewer: the young often study, the old have retired."""
    names = list(OCCUPATION_LIKES)
    drawn = rng.integers(1, len(names) - 1, size=age.size)
    drawn[(age < STUDENT_BELOW) & (rng.random(age.size) < STUDENT_CHANCE)] = names.index("student")
    drawn[age >= RETIRED_FROM] = names.index("retired")
    return drawn


def likes(groups: Sequence[Sequence[str]]) -> Floats:
    """Return groups x genres: LIKED where the group likes the genre, less its row's mean."""
    marks = np.array([[genre in group for genre in GENRES] for group in groups])
    table = LIKED * marks.astype(np.float64)
    return table - table.mean(axis=1, keepdims=True)


# ---------------------------------------------------------------------------- watching


def watch_films(catalogue: Catalogue, viewers: Viewers, rng: np.random.Generator) -> list[Diary]:
    """Return one diary a viewer."""
    forces = make_forces(catalogue, viewers)
    match = viewers.taste @ catalogue.loads.T
    match = (match - match.mean()) / match.std()
    diaries: list[Diary] = []
    for user in range(USERS):
        times = draw_times(int(viewers.events[user]), rng)
        films, chances = follow_viewer(catalogue, forces, user, times, rng)
        stars = rate(match[user, films], catalogue.quality[films], rng)
        diaries.append(Diary(films, times, stars, chances))
    return diaries


def make_forces(catalogue: Catalogue, viewers: Viewers) -> Forces:
    """Return the parts of the logits that do not depend on what was watched."""
    loads = catalogue.loads
    taste = TASTE_WEIGHT * viewers.taste @ loads.T
    nostalgia = NOSTALGIA_WEIGHT * near(catalogue.year - viewers.dear_year[:, None], NOSTALGIA_WIDTH)
    return Forces(
        lasting=catalogue.popularity + taste + nostalgia,
        season=SEASON_WEIGHT * season_table() @ loads.T,
        mood=MOOD_WEIGHT * loads @ follow_table() @ loads.T,
        genres=catalogue.genres.astype(np.float64),
        series=np.where(catalogue.later_part, UNSTARTED, 0.0),
    )


def near(years_off: Floats, width: float) -> Floats:
    """Return how near two years are: 1 for the same year, towards 0 past the width in years."""
    return np.exp(-0.5 * (years_off / width) ** 2)


def season_table() -> Floats:
    """Return 12 months x genres: the strength of each genre's season."""
    table = np.zeros((12, len(GENRES)))
    for month, genre, strength in SEASONS:
        table[month - 1, GENRES.index(genre)] = strength
    return table


def follow_table() -> Floats:
    """Return genres x genres: how much a film of the row's genre calls for the column's."""
    one = np.eye(len(GENRES))
    return sum((pull * np.roll(one, step, axis=1) for step, pull in FOLLOWS.items()), 0.0 * one)


def draw_times(events: int, rng: np.random.Generator) -> Ints:
    """Return ascending Unix seconds, one an event: sittings with pauses, within SPAN."""
    sitting = rng.random(events) < SAME_SITTING
    gaps = rng.exponential(np.where(sitting, SITTING_GAP, PAUSE_GAP))
    elapsed: Floats = np.cumsum(np.maximum(gaps, SHORTEST_GAP))
    elapsed *= min(1.0, LONGEST_STAY * SPAN / float(elapsed[-1]))
    start = START + rng.uniform(0.0, SPAN - float(elapsed[-1]))
    return (start + elapsed).astype(np.int64)


def follow_viewer(
    catalogue: Catalogue, forces: Forces, user: int, times: Ints, rng: np.random.Generator
) -> tuple[Ints, Floats]:
    """Return the films that one viewer watches at these times, and the last step's chances."""
    films = np.zeros(times.size, dtype=np.int64)
    chances = np.zeros(ITEMS)
    for step, month in enumerate(months_of(times)):
        logits = forces.lasting[user] + forces.season[month - 1]
        logits += recent_logits(catalogue, forces, films[:step])
        chances = chances_of(logits, films[:step])
        films[step] = min(np.searchsorted(np.cumsum(chances), rng.random()), ITEMS - 1)
    return films, chances


def months_of(times: Ints) -> list[int]:
    """Return the month (1 to 12, UTC) of each time in Unix seconds."""
    return [datetime.fromtimestamp(second, UTC).month for second in times.tolist()]


def recent_logits(catalogue: Catalogue, forces: Forces, watched: Ints) -> Floats:
    """Return one logit a film: what the films watched so far, the last ones above all, add."""
    if watched.size == 0:
        return forces.series
    last = watched[::-1][: len(LAG_WEIGHTS)]
    weights = np.array(LAG_WEIGHTS[: last.size]) / sum(LAG_WEIGHTS[: last.size])
    era = ERA_WEIGHT * near(catalogue.year - weights @ catalogue.year[last], ERA_WIDTH)
    tired = forces.genres[last[:TIRING]].sum(axis=0) == TIRING
    fatigue = FATIGUE_WEIGHT * (forces.genres @ tired)
    return weights @ forces.mood[last] + era - fatigue + series_logits(catalogue, forces, watched)


def series_logits(catalogue: Catalogue, forces: Forces, watched: Ints) -> Floats:
    """Return one logit a film: the pull of the next part of each series that was begun."""
    pulls = np.array([*SERIES_PULL, COLD_SERIES])
    since = np.minimum(np.arange(watched.size)[::-1], len(SERIES_PULL))
    following = catalogue.next_part[watched]
    logits = forces.series.copy()
    logits[following[following >= 0]] = pulls[since[following >= 0]]
    return logits


def chances_of(logits: Floats, watched: Ints) -> Floats:
    """Return chances that sum to 1: a soft maximum, with strays; 0 for the films watched."""
    open_films = np.ones(ITEMS)
    open_films[watched] = 0.0
    chosen = np.exp(logits - logits.max()) * open_films
    return (1.0 - STRAY) * chosen / chosen.sum() + STRAY * open_films / open_films.sum()


def rate(match: Floats, quality: Floats, rng: np.random.Generator) -> Floats:
    """Return stars, 1 to 5 in halves, from taste match and quality (both standard scores)."""
    noise = rng.normal(0.0, NOISE_STARS, match.size)
    stars = MEAN_STARS + TASTE_STARS * match + QUALITY_STARS * quality + noise
    return np.clip(np.round(2.0 * stars) / 2.0, 1.0, 5.0)


# ---------------------------------------------------------------------------- tables


def write_interactions(path: Path, diaries: Sequence[Diary]) -> None:
    """Write user_id, item_id, rating, timestamp, in order of time over all viewers."""
    events = sorted(
        (when, user, film, star)
        for user, diary in enumerate(diaries)
        for when, film, star in zip(
            diary.times.tolist(), diary.films.tolist(), diary.stars.tolist(), strict=True
        )
    )
    rows = ((user_id(user), item_id(film), f"{star:g}", when) for when, user, film, star in events)
    write_table(path, ("user_id", "item_id", "rating", "timestamp"), rows)


def write_items(path: Path, catalogue: Catalogue, rng: np.random.Generator) -> None:
    """Write item_id, title, genres, year, with some genres and years left blank."""
    years = [str(year) for year in catalogue.year.tolist()]
    genres = [
        "|".join(genre for genre, mark in zip(GENRES, marks, strict=True) if mark)
        for marks in catalogue.genres.tolist()
    ]
    columns = (
        [item_id(film) for film in range(ITEMS)],
        catalogue.titles,
        blanked(genres, BLANK_GENRES, rng),
        blanked(years, BLANK_YEAR, rng),
    )
    header = ("item_id", "title", "genres", "year")
    write_table(path, header, zip(*columns, strict=True))


def write_users(path: Path, viewers: Viewers, rng: np.random.Generator) -> None:
    """Write user_id, age, occupation, with some ages and occupations left blank."""
    names = list(OCCUPATION_LIKES)
    jobs = [names[int(job)] for job in viewers.occupation]
    columns = (
        [user_id(user) for user in range(USERS)],
        blanked([str(age) for age in viewers.age.tolist()], BLANK_AGE, rng),
        blanked(jobs, BLANK_OCCUPATION, rng),
    )
    write_table(path, ("user_id", "age", "occupation"), zip(*columns, strict=True))


def blanked(cells: Sequence[str], share: float, rng: np.random.Generator) -> list[str]:
    """Return the cells, each left blank with this chance (0 to 1)."""
    blank = rng.random(len(cells)) < share
    return ["" if gone else cell for cell, gone in zip(cells, blank, strict=True)]


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write one CSV file, UTF-8, with line feeds on every platform."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def user_id(row: int) -> str:
    """Return the id of a viewer's row: u0001 and on."""
    return f"u{row + 1:04d}"


def item_id(row: int) -> str:
    """Return the id of a film's row: f0001 and on."""
    return f"f{row + 1:04d}"


# ---------------------------------------------------------------------------- best score


def print_summary(diaries: Sequence[Diary]) -> None:
    """Print the size of the data and the scores of a ranking by the true chances."""
    counts = np.bincount(np.concatenate([diary.films for diary in diaries]), minlength=ITEMS)
    print(f"{len(diaries)} users, {ITEMS} items, {counts.sum()} events")
    print(f"events an item: {counts.min()} to {counts.max()}, median {np.median(counts):g}")
    stars = np.concatenate([diary.stars for diary in diaries])
    print(f"rated {POSITIVE_STARS:g} or more: {(stars >= POSITIVE_STARS).mean():.1%}")
    ranks = np.array([last_rank(diary, counts > 0) for diary in diaries])
    hits = ranks <= CUTOFF
    print(f"best possible NDCG@{CUTOFF} {(hits / np.log2(1 + ranks)).mean():.4f}", end=", ")
    print(f"HR@{CUTOFF} {hits.mean():.4f} (ranking by the true chances at each user's last event)")


def last_rank(diary: Diary, known: Bools) -> int:
    """Return the rank (1 is best) of the last film among known films not watched before."""
    target = diary.films[-1]
    return 1 + int(((diary.last_chances > diary.last_chances[target]) & known).sum())


if __name__ == "__main__":
    main()
