"""What two engines, or two moments, cannot have in common: IDs, times and
addresses, each taken out of a text for a word that is the same in both. The
same ID gets the same word, so that it still shows who is who."""
import re

ID = r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{14}(?=…)|[0-9a-f]{12})(?![0-9a-f])"
BUILDKIT_ID = r"(?<![0-9a-z])(?=[a-z]*[0-9])[0-9a-z]{25}(?![0-9a-z])"
CLOCK = r"\d\d:\d\d:\d\d(?:\.\d+)?"
TIMES = [
    r"(?!0001)\d{4}-\d\d-\d\dT" + CLOCK + r"(?:Z|[+-]\d\d:\d\d)",
    r"(?!0001)\d{4}-\d\d-\d\d " + CLOCK + r" [+-]\d{4} [A-Z]{3,4}",
    r"(?<![\d.])1[6-9]\d{8}(?:\.\d+)?(?![\d.])",  # seconds of our years
    r"(?<!\d)1[6-9]\d{17}(?!\d)",  # and nanoseconds
]
AGO = (r"(?:Less than a second|About an? (?:minute|hour)|"
       r"\d+ (?:second|minute|hour)s?)( ago)?")
MAC = r"(?<![0-9a-f:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}(?![0-9a-f:])"
ADDRESS = r"(?<![\d.])(?!0\.0\.0\.0|127\.)(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"
# What an engine takes for a published port when nobody says which.
PORT = r"(?<![\d.])(?:327[6-9]\d|32[89]\d\d|3[3-5]\d{3})(?![\d.]*\d)"
PID = r'("Pid": )[1-9]\d*'


class Normal:
    """Words for what was met, counted from one for each scenario. KNOWN are
    pairs of a pattern and what it is replaced by, before anything else."""

    def __init__(self, known=()):
        self.known = known
        self.forget()

    def forget(self):
        self.ids = []  # each as long as it was ever seen
        self.others = {}

    def id(self, match):
        text = match.group()
        for n, known in enumerate(self.ids):
            if known.startswith(text[:12]):
                self.ids[n] = max(known, text, key=len)
                break
        else:
            n = len(self.ids)
            self.ids.append(text)
        return f"<{'id' if len(text) > 12 else 'short'}{n + 1}>"

    def other(self, what):
        def word(match):
            found = self.others.setdefault(what, {})
            n = found.setdefault(match.group(), len(found) + 1)
            return f"<{what}{n}>"
        return word

    def __call__(self, text):
        for pattern, word in self.known:
            text = re.sub(pattern, word, text)
        text = re.sub(ID, self.id, text)
        text = re.sub(BUILDKIT_ID, self.other("key"), text)
        for pattern in TIMES:
            text = re.sub(pattern, "<time>", text)
        text = re.sub(AGO, r"<time>\1", text)
        text = re.sub(PID, r"\1<pid>", text)
        text = re.sub(MAC, self.other("mac"), text)
        text = re.sub(ADDRESS, self.other("address"), text)
        text = re.sub(PORT, "<port>", text)
        # Columns are as wide as what was in them.
        return re.sub(r"(?<=\S) {2,}", "  ", text)
