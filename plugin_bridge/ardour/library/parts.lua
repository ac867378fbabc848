-- Tracks as parts of a song: which stem a track is, what the musician wants, and the requests.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)

local parts = {}

parts.STEMS = { "bass", "drums", "guitar", "piano" }

local WORDS = { -- what tracks are called, drums first: a bass drum is no bass
	{ "drums", "drum", "kick", "snare", "perc", "beat" }, { "bass", "bass" },
	{ "guitar", "guit", "gtr" }, { "piano", "piano", "keys", "rhodes" },
}

-- The stem that a track is, by its name ("mix - bass 2" is a bass), or "backing".
function parts.guess (name)
	local own = (name:match ("^.* %- (.*)$") or name):lower ()
	for _, words in ipairs (WORDS) do
		for index = 2, #words do
			if own:find (words[index], 1, true) then return words[1] end
		end
	end
	return "backing"
end

-- What was chosen last time in a dialog, as long as nobody removes the file.
local function remembered (title)
	local chunk = loadfile (library .. "remembered-" .. title .. ".lua", "t", {})
	return chunk and chunk () or {}
end

local function remember (title, answer)
	local items = {}
	for key, value in pairs (answer) do
		if not key:find ("^role") then items[#items + 1] = string.format ("[%q]=%q", key, value) end
	end
	wire.write (library .. "remembered-" .. title .. ".lua", "return {" .. table.concat (items, ",") .. "}\n")
end

local function same (values)
	local choices = {}
	for _, value in ipairs (values) do choices[value] = value end
	return choices
end

-- Ask for a role of each track and for the rows given, with what was chosen last time filled in.
-- Return the answers, or nil if the musician thought better of it.
function parts.ask (title, tracks, rows)
	local last, dialog = remembered (title), {}
	for _, row in ipairs (rows) do
		local copy = {}
		for key, value in pairs (row) do copy[key] = value end
		if copy.key and last[copy.key] ~= nil then copy.default = last[copy.key] end
		dialog[#dialog + 1] = copy
	end
	for index, track in ipairs (tracks) do
		dialog[#dialog + 1] = {
			type = "dropdown", key = "role" .. index, title = track:name () .. " is",
			values = same ({ "bass", "drums", "guitar", "piano", "backing", "not to be heard" }),
			default = parts.guess (track:name ()),
		}
	end
	local answer = LuaDialog.Dialog ("bandmate: " .. title, dialog):run ()
	if answer then remember (title, answer) end
	return answer
end

parts.TAKES = { type = "number", key = "takes", title = "Takes", min = 1, max = 8, step = 1, digits = 0, default = 1 }
parts.STRENGTH = {
	type = "slider", key = "strength", title = "Strength (0: as it is, 1: all new)",
	min = 0, max = 1, digits = 2, default = 0.5,
}

-- The files of the tracks by role, as JSON values, and where `first` is in them.
--   session  { bass = files, backing = { files, files } }: several of one role are a list
--   is       { bass = track, ... }: the first track of each role
function parts.session (tracks, answer, first, last)
	local heard, roles = {}, {}
	for index, track in ipairs (tracks) do
		if answer["role" .. index] ~= "not to be heard" then
			heard[#heard + 1] = track
			roles[#roles + 1] = answer["role" .. index]
		end
	end
	if #heard == 0 then error ("No track is left to be heard.", 0) end
	local files, start = sound.aligned (heard, first, last)
	local session, is = {}, {}
	for index, role in ipairs (roles) do
		local before = session[role]
		if type (before) == "table" then
			before[#before + 1] = files[index]
		else
			session[role] = before and { before, files[index] } or files[index]
		end
		is[role] = is[role] or heard[index]
	end
	return session, start, is
end

-- The name that new tracks begin with: the source of a track named "source - stem", else its name.
function parts.source (track)
	return track:name ():match ("^(.*) %- ") or track:name ()
end

-- The names of the tracks as one.
function parts.joined (tracks)
	if #tracks > 3 then return tracks[1]:name () .. "+" .. #tracks - 1 end
	local names = {}
	for index, track in ipairs (tracks) do names[index] = track:name () end
	return table.concat (names, "+")
end

-- Takes differ in their seed; the clock gives one that no earlier take had.
function parts.options (track, position, takes)
	return wire.json ({
		track = track, position = position, takes = math.tointeger (takes) or math.floor (takes),
		seed = ARDOUR.LuaAPI.monotonic_time () // 1000 % 2147483647,
	})
end

return parts
