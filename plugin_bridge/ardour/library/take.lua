-- "New take": another take of one of the selected parts, to the other selected tracks.

local library = ...
local sound = assert (loadfile (library .. "sound.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local tracks, first, last = sound.span (sound.pieces ())
local rows = { parts.target ("New take of", tracks), parts.STRENGTH, parts.TAKES }
local answer = parts.ask ("New take", parts.with_roles (rows, tracks))
if not answer then return end
local target, stem = parts.chosen (answer, tracks)
local session, start = parts.session (tracks, answer, first, last, target)
session.start, session.frames = start, last - first
parts.vary (target, stem, session, first, last, answer.strength, answer.takes)
