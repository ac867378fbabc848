-- "Fill selection": play the selected range of one track anew; the other selected tracks are heard.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local tracks, first, last = sound.span (sound.pieces ())
local target
for _, track in ipairs (tracks) do
	if not target and parts.guess (track:name ()) ~= "backing" then target = track end
end
local stem = { type = "dropdown", key = "rolewanted", title = "Fill the", values = {}, default = target and parts.guess (target:name ()) or "guitar" }
for _, name in ipairs (parts.STEMS) do stem.values[name] = name end

local answer = parts.ask ("Fill selection", tracks, { stem, parts.TAKES })
if not answer then return end
local wanted = answer.rolewanted
local session, start, is = parts.session (tracks, answer, first, last)
if not is[wanted] then error ("Say which of the selected tracks is the " .. wanted .. ".", 0) end
wire.request ("Filling " .. is[wanted]:name (), true, "/bandmate/fill", "sshhs", wanted, wire.json (session),
	start, last - first, parts.options (parts.source (is[wanted]), first, answer.takes))
