"""Words that a question about anything may have; a question whose other words are strange as well
asks for something that only sounds like a result."""

from __future__ import annotations

import re

# Small words; doing and being, as they come; how things are; what results and questions about
# them are made of.
_WORDS = """
a an the this that these those it its itself they them their he him his she her we us our ours you
your yours i me my mine myself yourself who whom whose which what when where why how whether if
then than so as at by for from in into of off on onto out over to toward towards up upon with
within without about above across after again against along also although always among amongst and
any anybody anyhow anyone anything anyway anywhere apart around away back because before behind
below beneath beside besides between beyond both but certain certainly down during each either
else elsewhere even ever every everybody everyone everything everywhere except few further hardly
hence here however instead just later least less lots many maybe might more most much neither
never next no nobody none nor not nothing now nowhere often once one only or other others
otherwise own per perhaps please quite rather really several since some somebody somehow someone
something sometimes somewhere soon still such though through throughout thus together too under
unless until very via well while whole yes yet already almost altogether alone

is are was were be been being am isnt do does did doing done has have had having got get gets
getting gotten give gives given gave giving go goes going went gone come can could may must shall
should will would ought let lets make makes making made take takes taking took taken put puts keep
keeps kept say says said saying tell tells told telling ask asks asked asking answer answers speak
talk talks talking mean means meant call calls called name names named think thinks thought
thinking believe feel feels guess know knows knew known need needs needed want wants wanted like
likes liked wish hope try tries tried trying use uses used using see sees saw seen seeing look
looks looked looking watch view notice notices noticed noticing observe observed find finds found
finding search searches searched searching detect detects detected discover discovered recognise
recognize identify identified spot spotted catch caught show shows showed shown showing point
points pointed display displays displayed indicate indicates indicated highlight highlighted draw
draws drew drawn mark marks marked marking flag flags flagged circle circled outline outlined
number numbered label labelled labeled select selected check checks checked checking examine
examined inspect inspected judge judged assess assessed consider considered evaluate rate rated
decide decided deem seem seems seemed appear appears appeared happen happens happened occur occurs
occurred exist exists lie lies lying sit sits sitting stand stands standing stay remain remains
belong belongs contain contains include includes cover covers covered matter matters mind minds
care bother bothers ignore worry concern concerns explain explains explained describe describes
described list lists listed count counts counted sum help helps understand understood interpret
start begin end stop hold holds held set sets turn turns leave leaves run walk read write

able absolute absolutely actual actually additional approximate approximately available big bigger
basic basically brief briefly clear clearly common complete completely correct current currently
different difficult direct directly easy easily enough entire entirely equal equally especially
exact exactly extra fair fairly far fast final finally first following full fully general
generally good great hard high honest honestly important individual kind kindly large last left
little long low main mainly major merely minor near nearby nearly new obvious obviously old
overall particular partly perfect plain possible possibly precise precisely present probable
probably proper properly quick quickly ready real regular relevant right rough roughly same
separate separately serious short shortly similar simple simply single slight slightly small
special specific strong strongly sudden suppose supposed sure total totally true two three usual
usually visible visibly various wrong

amount area bit case corner detail details dimension edge example eye eyes fact figure figures
idea impression info information item kinds location lot manner meaning opinion overview pair part
picture piece place position question reason result section shape side sides size sort state thing
things thoughts time times type value values way ways word words image images photo photos
pictures pieces parts unit units device product products sample samples items component object
objects workpiece specimen inspector inspection assembly customer colleague boss red frame frames
box boxes region regions row rows table numbers heat dis gonna golden master percent mate sir
assistant
"""

COMMON = frozenset(re.findall(r"\w+", _WORDS))
