-- "Separate selection": every selected region, or the range on every selected track, into stems.
-- With a dialog ("Separate..."): into those that are ticked.

local library, with_dialog = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local silence = assert (loadfile (library .. "silence.lua")) (library)
local parts = assert (loadfile (library .. "parts.lua")) (library)

local function choose ()
	if not with_dialog then return { mute = true } end
	local stems, wanted = parts.stems ("separate"), {}
	local rows = { { type = "heading", title = "A track for each of" } }
	for _, stem in ipairs (stems) do rows[#rows + 1] = { type = "checkbox", key = stem, title = stem, default = true } end
	rows[#rows + 1] = { type = "checkbox", key = "the rest", title = "the rest as one track", default = true }
	rows[#rows + 1] = { type = "checkbox", key = "mute", title = "Mute the original", default = true }
	local answer = parts.ask ("Separate", rows)
	if not answer then return nil end
	for _, stem in ipairs (stems) do
		if answer[stem] then wanted[#wanted + 1] = stem end
	end
	if #wanted == 0 then error ("Tick at least one of " .. table.concat (stems, ", ") .. ".", 0) end
	return { stems = #wanted < #stems and wanted or nil, skip = not answer["the rest"] and "other" or nil, mute = answer.mute }
end

local pieces = sound.pieces (true)
local chosen = choose ()
for _, piece in ipairs (chosen and pieces or {}) do
	local name, stems = piece.track:name (), chosen.stems
	local note = {
		label = "Separating " .. name, position = piece.first, frames = piece.last - piece.first,
		choice = table.concat (stems or {}, ",") .. (chosen.skip or ""), once = true, skip = chosen.skip, seamless = true,
		source = chosen.mute and silence.of (piece.track, piece.first, piece.last) or nil,
		address = "/bandmate/separate", types = "shhs",
	}
	if notes.is_wanted (note) then
		local options = wire.json ({ track = name, position = piece.first, stems = stems })
		local files, start, fades = sound.files (piece)
		note.fades, note.arguments = fades, { files, start, note.frames, options }
		notes.request (note)
	end
end
