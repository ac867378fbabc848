-- Tracks as parts of a song: which stem a track is, what the musician wants, and the requests.

local library = ...
local wire = assert (loadfile (library .. "wire.lua")) (library)
local sound = assert (loadfile (library .. "sound.lua")) (library)
local notes = assert (loadfile (library .. "notes.lua")) (library)
local silence = assert (loadfile (library .. "silence.lua")) (library)

local parts = {}

local USUAL = { "bass", "drums", "guitar", "piano" } -- as long as no server has said otherwise

local UNCHOSEN, LEFT_OUT = "(choose a track)", "left out"

local WORDS = { -- what tracks are called, drums first: a bass drum is no bass
	{ "drums", "drum", "kick", "snare", "perc", "beat" }, { "bass", "bass" },
	{ "guitar", "guit", "gtr" }, { "piano", "piano", "keys", "rhodes" },
}

-- The stems that a task's model knows, as the server has left them.
function parts.stems (task)
	local known = (wire.read (wire.workdir .. "/stems.json") or ""):match ('"' .. task .. '":%s*%[(.-)%]')
	local stems = {}
	for stem in (known or ""):gmatch ('"([^"]+)"') do stems[#stems + 1] = stem end
	return #stems > 0 and stems or USUAL
end

-- The stem that a track is, by its name ("mix - bass 2" is a bass), or "backing".
function parts.guess (name)
	local own, known = (name:match ("^.* %- (.*)$") or name):lower (), {}
	for _, stem in ipairs (parts.stems ("add")) do known[stem] = true end
	for _, words in ipairs (WORDS) do
		for index = 2, #words do
			if known[words[1]] and own:find (words[index], 1, true) then return words[1] end
		end
	end
	for stem in pairs (known) do
		if own:find (stem, 1, true) then return stem end
	end
	return "backing"
end

-- What was chosen last time in a dialog, as long as nobody removes the file.
local function remembered (title)
	return wire.value ((wire.read (library .. "remembered-" .. title .. ".lua") or ""):match ("^return (.*)$")) or {}
end

local function remember (title, answer)
	local kept = {}
	for key, value in pairs (answer) do
		if not key:find ("^of ") then kept[key] = value end
	end
	wire.write (library .. "remembered-" .. title .. ".lua", "return " .. wire.literal (kept))
end

-- Ask for the rows given, with what was chosen last time filled in; keys that begin with "of " are
-- about this selection alone. Return the answers, or nil if the musician thought better of it.
function parts.ask (title, rows)
	local last, dialog = remembered (title), {}
	for _, row in ipairs (rows) do
		local copy = {}
		for key, value in pairs (row) do copy[key] = value end
		if copy.key and last[copy.key] ~= nil then copy.default = last[copy.key] end
		dialog[#dialog + 1] = copy
	end
	local answer = LuaDialog.Dialog ("bandmate: " .. title, dialog):run ()
	if answer then remember (title, answer) end
	return answer
end

local function same (values)
	local choices = {}
	for _, value in ipairs (values) do choices[value] = value end
	return choices
end

-- Add to rows what each track is, as guessed from its name.
function parts.with_roles (rows, tracks)
	local roles = parts.stems ("add")
	table.move ({ "backing", LEFT_OUT }, 1, 2, #roles + 1, roles)
	for index, track in ipairs (tracks) do
		rows[#rows + 1] = {
			type = "dropdown", key = "of role " .. index, title = track:name () .. " is", values = same (roles),
			default = parts.guess (track:name ()),
		}
	end
	return rows
end

-- A row that asks which track is meant. Only if a single one comes into question is it chosen.
function parts.target (title, tracks)
	local names, candidates = { UNCHOSEN }, {}
	for _, track in ipairs (tracks) do
		names[#names + 1] = track:name ()
		if parts.guess (track:name ()) ~= "backing" then candidates[#candidates + 1] = track:name () end
	end
	local only = #tracks == 1 and names[2] or #candidates == 1 and candidates[1]
	return { type = "dropdown", key = "of target", title = title, values = same (names), default = only or UNCHOSEN }
end

-- The track that was chosen, and the stem that it is.
function parts.chosen (answer, tracks)
	for index, track in ipairs (tracks) do
		local stem = answer["of role " .. index]
		if track:name () == answer["of target"] then
			if stem == "backing" or stem == LEFT_OUT then
				error ("Choose what " .. track:name () .. " is: " .. table.concat (parts.stems ("add"), ", ") .. ".", 0)
			end
			return track, stem
		end
	end
	error ("Choose which of the selected tracks is meant.", 0)
end

parts.TAKES = { type = "number", key = "takes", title = "Takes", min = 1, max = 8, step = 1, digits = 0, default = 1 }
parts.STRENGTH = {
	type = "slider", key = "strength", title = "Strength (0: as it is, 1: all new)",
	min = 0, max = 1, digits = 2, default = 0.5,
}

-- The files of the tracks by role, as JSON values, and where `first` is in them.
--   target   the track that is made again, or nil: others of its role are backing to it
--   session  { bass = files, backing = { files, files } }: several of one role are a list
--   is       { bass = track, ... }: the first track of each role
function parts.session (tracks, answer, first, last, target)
	local given, roles, wanted = {}, {}, nil
	for index, track in ipairs (tracks) do
		if track == target then wanted = answer["of role " .. index] end
	end
	for index, track in ipairs (tracks) do
		local role = answer["of role " .. index]
		if role ~= LEFT_OUT then
			given[#given + 1] = track
			roles[#roles + 1] = role == wanted and track ~= target and "backing" or role
		end
	end
	if #given == 0 then error ("All tracks are left out: nothing is there to play to.", 0) end
	local files, start = sound.aligned (given, first, last)
	local session, is = {}, {}
	for index, role in ipairs (roles) do
		local before = session[role]
		if type (before) == "table" then
			before[#before + 1] = files[index]
		else
			session[role] = before and { before, files[index] } or files[index]
		end
		is[role] = is[role] or given[index]
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

-- Ask for another take of a track's range, which it takes the place of.
function parts.vary (track, stem, session, first, last, strength, takes)
	notes.request ({
		label = "A new take of " .. track:name (), position = first, frames = last - first, fades = "soft",
		source = silence.of (track, first, last), address = "/bandmate/vary", types = "ssds",
		arguments = { stem, wire.json (session), strength, parts.options (parts.source (track), first, takes) },
	})
end

return parts
