-- "New take": another take of a selected part; the other selected tracks are heard.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local tracks, first, last = sound.span (sound.pieces ())
local answer = parts.ask ("New take", tracks, { parts.STRENGTH, parts.TAKES })
if not answer then return end
local session, start, is = parts.session (tracks, answer, first, last)
session.start, session.frames = start, last - first
for index, track in ipairs (tracks) do
	local stem = answer["role" .. index]
	if is[stem] == track and stem ~= "backing" then
		wire.request ("A new take of " .. track:name (), true, "/bandmate/vary", "ssds", stem,
			wire.json (session), answer.strength, parts.options (parts.source (track), first, answer.takes))
		return
	end
end
error ("Say which of the selected tracks is bass, drums, guitar or piano.", 0)
