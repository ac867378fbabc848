-- "Add part...": new parts for the selected tracks; a part that is among them is varied.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local tracks, first, last = sound.span (sound.pieces ())
local rows = { { type = "heading", title = "New parts, playing to the selected tracks" } }
for _, stem in ipairs (parts.stems ("add")) do
	rows[#rows + 1] = { type = "checkbox", key = stem, title = stem, default = false }
end
rows[#rows + 1] = parts.TAKES
rows[#rows + 1] = parts.STRENGTH
rows[#rows + 1] = { type = "label", title = "Strength counts for parts that are selected already." }

local answer = parts.ask ("Add part", parts.with_roles (rows, tracks))
if not answer then return end
local session, start, is = parts.session (tracks, answer, first, last)
session.start, session.frames = start, last - first

local new, asked = {}, false
for _, stem in ipairs (parts.stems ("add")) do
	if answer[stem] and is[stem] then
		parts.vary (is[stem], stem, session, first, last, answer.strength, answer.takes)
		asked = true
	elseif answer[stem] then
		new[#new + 1] = stem
	end
end
if #new > 0 then
	local stems = table.concat (new, ",")
	notes.request ({
		label = "Adding " .. stems, position = first, frames = last - first, fades = "soft",
		address = "/bandmate/add", types = "sss",
		arguments = { stems, wire.json (session), parts.options (parts.joined (tracks), first, answer.takes) },
	})
elseif not asked then
	error ("Choose at least one part to add.", 0)
end
