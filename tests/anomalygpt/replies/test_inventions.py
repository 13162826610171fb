"""What a language model that talks may not say of a photo."""

from __future__ import annotations

import numpy as np
import pytest

from anomalygpt.constants import LOCATIONS
from anomalygpt.replies import declined, reply_to, understand
from anomalygpt.replies.facts import facts_of_inspection
from anomalygpt.replies.inventions import Known, inventions

ASKED = "What could have caused it?"

# Of a photo with a region at the left and one at the right.
INVENTED = """
There is a scratch.|I can see a crack at the left.|The scratch at the left is deep.
A deep crack at the left.|At the right, a hole.|It looks like a dent.|This is a burr.
What stands out is a crack.|Here we see a stain.|The surface is scratched.|It is cracked.
The left region shows corrosion.|Two dents are visible.|Scratches are visible at the left.
Because of the dirt it looks dark.|A dent was found at the left.
You would see that there is a scratch.
No doubt there is a scratch.|It is not only a scratch.|I found rust on it.|The part is bent.
There are three regions.|There are 3 defects.|Only one region stands out.
Several defects stand out, 3 in all.
It covers 40 % of the photo.|I am 12 % sure.|The damage is 2 mm long.|The damage is 2mm long.
It is two millimetres deep.|The probability is 0.5.|Its score is 0.33.|The weight is 5 kg.
It was made in 2019.|Half of the part is damaged.|The whole surface is damaged.
There is damage everywhere.|The damage is severe.|The right one is very large.
Region 3 lies at the left.|Box 1 lies at the left.|Box two lies at the top.
The damage is at the top.
Check the upper-right corner.|The bottom is damaged.|Look at the top-left edge.
The lower half is affected.|A line runs from the left to the bottom right.
The defect is on the handle.|The damage lies along the seam.|The left looks fine.
The part is fine.|Everything looks good.|Nothing stands out.|There is no damage.|It passes.
You can ship it.|The part can be used.|It is safe to use.|No action is needed.
The part has scratches on the left.|It appears that a crack runs along the left.
The image shows a damaged area with a crack.|The damage seems to be a scratch.
Most likely a scratch.|Probably a dent from handling.|This looks like corrosion to me.
The photo clearly shows two scratches.|In this picture, a stain can be seen.
The left side is scratched.|A crack can be seen at the left.|There appear to be four defects.
A total of five anomalies were found.|There are a dozen scratches.|The defect is about 3 cm long.
It is roughly 20 percent of the part.|The region is at the north side.
The mark near the upper edge is deep.|Damage is present in the top half.|It's a scratch.
That's a crack.|The part isn't damaged.|The part does not have any damage.
The part is in good condition.|The part is in perfect condition.|This is a good part.
No issues were found.|No defects are visible.|The part meets the requirements.|It is OK to ship.
Feel free to use it.|The handle is broken.|The thread is damaged.|The lid is cracked.
A piece of the rim is missing.|The missing screw must be replaced.|The screw at the left is loose.
The anomaly score is 0.99.|With a confidence of 85%.|I'm 85% sure.|It has three boxes.
Box 1 covers 10.0 % of the photo.|Box 1 is at the left and box 2 is at the right.
All three regions are small.|Both regions are at the top.|The third region is the worst.
The scratches come from handling.|You should sand the scratch down.
The crack was caused by overload.|The cause is a worn tool.|This was caused by a worn tool.
Despite the marks at the right, the part can be used.|Despite the marks at the right, it is fine.
The part at the left is fine, it can be shipped.|The rest is fine, so no action is needed.
Despite the mark at the left, the part is good.
No doubt, the part is fine.|If I had to say, the part is fine.
When looked at closely, the part is fine.|There is nothing to worry about, the part is fine.
I would say the part is fine.|No doubt the part is fine.
This happened during transport.|Somebody dropped it.|The damage comes from a blunt tool.
The damage was made by a worn die.|This results from overheating.
This is a false alarm.|It is just a shadow.|It is within tolerance.|Within tolerance.
The part is still usable.|It is ready for shipment.|The part is ready to ship.
Verdict: good|Result: OK|Status: accepted|**Verdict:** good|Damage: none|Defects found: none
Defect: scratch|Kind: crack|Cause: overload|Defect type: crack|Location: handle
Location: top|Crack at the left|Accepted.|All good.|Scratch.|Cracked.
It was dropped during transport.|The operator made a mistake.|The supplier sent a bad batch.
"""
SAID = """
Typical are scratches, dents and cracks.|One looks for scratches first.
It may be a scratch, but I cannot tell.
Whether it is a scratch, the photo does not tell.|If it is dirt, it wipes off.
A photo does not tell the cause.|In general, marks come from handling or worn tools.
Handling, worn tools and dirt are common causes in general.|A dent can be caused by a blow.
A scratch is a thin line where something sharp has cut into the surface.
Inspectors use raking light because it makes scratches visible.
Two regions stand out, at the left and right.|2 places stand out.|Look at the left and right.
Box 1 lies at the right.|The center looks fine.|At the top I have marked nothing.
I did not find a scratch at the top.|Set it aside and ask somebody.|1. Set it aside.
First, set it aside. Second, look at the left.|You are right.|That is the right way to do it.
There is nothing left to do.|Two to four photos of good parts are better than one.
Hello, a part stood out in the photo inspection. Kind regards|Keep it apart from good parts.
I would not use it until somebody has looked at it.|Wear gloves when you handle it.
There are several possible causes: handling, transport, or tool wear.
I'm sorry, but I can't tell from the photo.|You can check the area with a magnifying glass.
Scratches can happen during transport.|1. Clean the part. 2. Inspect it again.
Make sure that the lighting is even.|It depends on the material and on the process.
Burrs are usually removed by filing or tumbling.|I recommend a visual inspection by an expert.
Damage like this often comes from handling.|Some common defects are: scratches, dents, cracks.
Contact the supplier and send the photo.|A part with a crack should be scrapped.
You need two people for that.|Take the photo from the same side.|Paris is the capital of France.
A hairline crack is a very thin crack.|Dirt can look like damage.
Let it cool down and look again in the evening.
The log entry: part set aside, two places stand out.
Dear supplier, we found two anomalies on a part, at the left and right.
The difference is that a dent does not break the surface.
Regular training helps inspectors to find faint damage.
Why did the chicken cross the road? To get to the other side.|Use a soft cloth without grease.
The most common causes are worn tools and dirt.|Store parts in a dry place.
The first step is to set it aside.
The rest of the part is fine.|There is no damage elsewhere.|At the top it looks fine.
Apart from the left and the right, the part looks fine.
Ask somebody before it can be used.|I cannot tell whether it is within tolerance.
No photo tells that the part is fine.|If it can be used, somebody else decides.
Verdict: defective|Location: left and right|Cause: unknown|Kind: to be seen by eye
- Scratches|Damage: two places, at the left and right|Status: set aside
Find out how this happened.|It may have happened during transport.|Perhaps somebody dropped it.
Such damage often comes from a blunt tool.|This could result from overheating.
It may be a false alarm.|Check that it is within tolerance.
Such damage is often caused by handling.|The cause is not known.
"""
# Of a photo of a good part.
INVENTED_OF_GOOD = """
There is a scratch.|The part is damaged.|One region stands out, at the left.
There is damage at the top.
There is an anomaly.|I see a defect.|Reject it.|You should reject it.|Something is wrong with it.
It is defective.|It has a defect.|The part shows damage.|Look at the left.|Box 1 is the worst.
I see a region at the top.|Two marks stand out.|It is cracked.|There seems to be damage.
The photo differs from good parts.|The part shows a large anomaly.|Unfortunately, the part is bad.
An anomaly was detected.|Defects were found.|Damage is visible.|This is a bad part.
Verdict: defective|Damage: yes|It failed the inspection.|It was rejected.
A region stands out.|Something stands out.
The part should be rejected.|It needs rework.|This part fails.|The verdict is yes.
Yes, there is damage.
"""
SAID_OF_GOOD = """
Nothing stands out in this photo.|It looks fine.|I see no damage.|Faint damage can escape me.
Verdict: good|Damage: none|No defects were found.|If damage is visible, set it aside.
No region stands out.|Damage is best seen in raking light.|The part can be used.
It is within tolerance.|It may pass.|If something is damaged, set it aside.
A mark is seen best in raking light.|Damage often comes from handling.
The center looks fine.|A second look by eye costs little.
"""
QUESTIONS = """
ok?|where?|how many?|how large?|how sure?|how much of the photo?|how bad is it?|report|8D report
why?
list all boxes|explain box 1|where is box 1|how large is box 2|compare box 1 and 2|the largest?
the smallest?|score?|what did you compare it with?|how do you work?|what kind of damage is it?
is the rest clean?|should I reject it?|what is it?|percent?|box 9|is there a short circuit?
what colour is it?|is there any anomaly?
"""


def sentences(text: str) -> list[str]:
    return [each for line in text.strip().splitlines() for each in line.split("|")]


@pytest.mark.parametrize("text", sentences(INVENTED))
def test_an_invention_is_found(made, text: str) -> None:
    assert inventions(text, Known(made("left", "right"), ASKED)), text


@pytest.mark.parametrize("text", sentences(SAID))
def test_what_holds_in_general_or_is_told_may_be_said(made, text: str) -> None:
    assert inventions(text, Known(made("left", "right"), ASKED)) == []


@pytest.mark.parametrize("text", sentences(INVENTED_OF_GOOD))
def test_an_invention_about_a_good_part_is_found(made, text: str) -> None:
    assert inventions(text, Known(made(), ASKED)), text


@pytest.mark.parametrize("text", sentences(SAID_OF_GOOD))
def test_of_a_good_part_may_be_said(made, text: str) -> None:
    assert inventions(text, Known(made(), ASKED)) == []


@pytest.mark.parametrize("seed", range(8))
def test_no_place_outside_the_regions_is_claimed(made, seed: int) -> None:
    cells = np.random.default_rng(seed).permutation(LOCATIONS)[: seed % 4].tolist()
    found = made(*cells, seed=seed)
    facts = facts_of_inspection(found)
    claims = [
        "The damage is at the {}.",
        "Look at the {} first.",
        "What differs lies at the {} and comes from handling.",
        "In this photo it is the {}.",
        "First, clean the {} by hand.",
        "It stands out in the {} area, which often happens.",
        "{}: please check.",
    ]
    for place in LOCATIONS:
        for claim in claims:
            said = inventions(claim.format(place), Known(found, ASKED))
            if place not in facts.cells:
                assert said, (claim, place)
            elif place in facts.places:
                assert said == [], (claim, place)
        is_fine = not inventions(f"The {place} looks fine.", Known(found, ASKED))
        assert is_fine is (place not in facts.cells)


@pytest.mark.parametrize("seed", range(10))
def test_what_the_result_says_always_passes(made, seed: int) -> None:
    cells = np.random.default_rng(seed).permutation(LOCATIONS)[: seed % 5].tolist()
    found = made(*cells, seed=seed, references=seed % 3)
    texts = {question: reply_to(understand(question), found) for question in sentences(QUESTIONS)}
    for question, reply in texts.items():
        assert reply is None or inventions(reply.text, Known(found, question)) == []
    assert inventions(found.answer, Known(found)) == []
    assert inventions(declined(found), Known(found)) == []


@pytest.mark.parametrize("count", range(5))
def test_no_other_number_is_claimed(made, count: int) -> None:
    found = made(*LOCATIONS[:count])
    for number, word in enumerate(("zero", "one", "two", "three", "four", "five", "six")):
        for said in (str(number), word):
            text = f"I marked {said} place{'s' * (number != 1)}."
            is_true = number == count
            assert (inventions(text, Known(found, ASKED)) == []) is is_true, text


def test_an_answer_about_a_box_is_about_that_box(made) -> None:
    found = made("left", "right")
    of_second = Known(found, "Explain box 2.", about=(2,))
    first, second = found.regions
    right = f"It is the place at the {second.location}, with score {second.score:.2f}."
    assert inventions(right, of_second) == []
    assert inventions(f"It is the place at the {first.location}.", of_second)
    assert inventions(f"Its score is {first.score:.2f}.", of_second)
    assert inventions(f"Box 1 lies at the {first.location}.", of_second) == []


@pytest.mark.parametrize(
    ("asked", "text", "is_invented"),
    [
        ("What caused the scratch?", "The scratch may come from handling.", False),
        ("What caused the scratch?", "The crack comes from handling.", True),
        ("Could it be a scratch?", "The scratch comes from handling.", True),
        ("My colleague found a burr. What do I do?", "The burr can be filed off.", False),
        ("There must be no burr. What do I do?", "The burr can be filed off.", True),
        ("So it has a crack?", "Yes.", True),
        ("So it is at the top?", "Yes, I think so.", True),
        ("So it has a crack?", "Exactly, as you say.", True),
        ("So it has a crack?", "Indeed.", True),
        ("So it is at the top?", "That is correct.", True),
        ("So it is at the left?", "That's right.", False),
        ("So the part can be used?", "Exactly.", True),
        ("What is a scratch?", "The crack is visible.", True),
        ("What is a scratch?", "It is a scratch on the part.", True),
        ("What is a scratch?", "The scratch is visible on the surface.", True),
        ("What is a scratch?", "The scratch is visible under light.", False),
        ("What is a scratch?", "The part is scratched.", True),
        ("What is a dent?", "The damage is very large here.", True),
        ("Describe scratches.", "There is a scratch.", True),
        ("Tell me about a burr", "There is a burr.", True),
        ("What is a burr?", "It comes from cutting.", False),
        ("Is it 2 mm long?", "Yes.", True),
        ("Shall I clean it?", "Yes, with a soft cloth.", False),
        ("What is a pinhole?", "It is a very small hole in a coating.", False),
        ("What should I do?", "It is a very small hole in a coating.", True),
    ],
)
def test_what_the_user_named_may_be_spoken_of(made, asked, text, is_invented) -> None:
    assert bool(inventions(text, Known(made("left", "right"), asked))) is is_invented


def test_names_and_descriptions_say_nothing(made) -> None:
    found = made("left", image="scratch 12.jpg", description="A lid, top view, 40 mm.")
    known = Known(found, "report")
    assert inventions("Report on scratch 12.jpg. You said: A lid, top view, 40 mm.", known) == []
    assert inventions("It is 40 mm long.", known) == ["40"]


@pytest.mark.parametrize("seed", range(4))
def test_no_text_is_too_odd(made, seed: int) -> None:
    """A language model may write anything; nothing of it is an error."""
    generator = np.random.default_rng(seed)
    pieces = [
        *("1.2.3", "0,61 %", "1.000,5", "2mm", "²", "#", "no. 7", "box 99999999999", "%", "(1, 2)"),
        *("top left", "a scratch", "Yes.", "½", "\n", "...", "-", "：", "傷", "3rd region", "5 %%"),
    ]
    known = Known(made("left", "right"), "Explain box 2.", about=(2,))
    for _ in range(200):
        text = " ".join(generator.choice(pieces, 6))
        assert isinstance(inventions(text, known), list)
        assert isinstance(inventions(text, Known(made(), text)), list)


def test_a_share_is_as_precise_as_it_is_said(made) -> None:
    found = made("left")
    share = 100 * found.regions[0].area_fraction
    for said in (f"{share:.1f}", f"{share:.2f}", f"{share:.0f}", f"{share:.1f}".replace(".", ",")):
        assert inventions(f"It covers {said} % of the photo.", Known(found)) == []
    assert inventions(f"It covers {share + 0.03:.2f} % of the photo.", Known(found))
