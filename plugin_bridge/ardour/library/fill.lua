-- "Fill selection": make the selected range of one track again, to the other selected tracks.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local silence = assert (loadfile (library .. "silence.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local tracks, first, last = sound.span (sound.pieces ())
local rows = { parts.target ("Fill", tracks), parts.TAKES }
local answer = parts.ask ("Fill selection", parts.with_roles (rows, tracks))
if not answer then return end
local target, stem = parts.chosen (answer, tracks)
local session, start = parts.session (tracks, answer, first, last, target)
notes.request ({
	label = "Filling " .. target:name (), position = first, frames = last - first, fades = "soft",
	source = silence.of (target, first, last), address = "/bandmate/fill", types = "sshhs",
	arguments = { stem, wire.json (session), start, last - first,
		parts.options (parts.source (target), first, answer.takes) },
})
